# SPDX-License-Identifier: Apache-2.0
"""What a finished compilation is made of; build.py says what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eightbit import ops
from eightbit.emission import emit
from eightbit.ir.program import Program
from eightbit.ir.rescale import Rescale
from eightbit.options import Options
from eightbit.planning.plan import Layout
from eightbit.planning.schedule import Schedule
from eightbit.planning.select import Selection
from eightbit.ptq.calibration import Calibration
from eightbit.target import Target
from eightbit.version import NUMERICS


@dataclass(frozen=True)
class Compilation:
    """Everything right of `quantize`, and the calibration it came from (None when built from program.txt).

    `tested`: the figures of `metrics.measure` on test samples, where some were given.
    """

    program: Program
    target: Target
    selection: Selection
    schedule: Schedule
    layout: Layout
    emission: emit.Emission
    calibration: Calibration | None
    notes: tuple[str, ...]
    options: Options
    version: str
    numerics: int = NUMERICS
    tested: Mapping[str, Any] | None = None

    @cached_property
    def rescales(self) -> tuple[Rescale, ...]:
        """What every sum of tensors with unequal scales costs."""
        return ops.rescales(self.program)
