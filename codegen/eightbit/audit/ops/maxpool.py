# SPDX-License-Identifier: Apache-2.0
"""Maximum of windows."""

from __future__ import annotations

import numpy as np

from eightbit.audit.intervals import Derived, Interval, clamped, hull
from eightbit.audit.model import S8_MIN, Call, Program, Tensor
from eightbit.audit.operator import CLAMP, WINDOW, Facts, Operator
from eightbit.audit.pools import pool_facts
from eightbit.audit.windows import patterns


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    yield from pool_facts(call, ins[0], out)


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    parts = [ins[0] if taps.any() else lowest(ins[0]) for taps in patterns(call, program.tensors[call.name])]
    return Derived(None, None, clamped(call, hull(parts)))


def lowest(values: Interval) -> Interval:
    """What a maximum over no cell at all gives."""
    low = np.full_like(values.low, S8_MIN)
    return Interval(low, low)


OP = Operator(params=f"{WINDOW} ch {CLAMP}", facts=facts, intervals=intervals, planes=True, same_scale=True)
