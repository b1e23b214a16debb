# SPDX-License-Identifier: Apache-2.0
"""How one kernel stores the constants of a call, and its scratch: said a second time, not asked of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.model import Call

Arrays = Mapping[str, NDArray[Any]]


def as_they_are(call: Call) -> Arrays:
    """In the order of the program."""
    return call.consts


@dataclass(frozen=True)
class Layout:
    """The kernel `symbol` of operator `op`: `order` gives its arrays by role, `scratch` bytes for a call."""

    symbol: str
    op: str
    order: Callable[[Call], Arrays] = as_they_are
    scratch: Callable[[Call], int] = lambda call: 0


def without_zero(call: Call, weights: NDArray[Any], lines: NDArray[Any], zero: int) -> Arrays:
    """Weights as given, and biases out of which `zero` times the weights [outputs, taps] is taken."""
    start = call.consts["bias"] - zero * lines.sum(axis=1, dtype=np.int64)
    return {"weights": weights, "bias": start.astype(np.int32), "mult": call.consts["mult"]}


def tiles_of_four(call: Call, groups: int, centre: int) -> Arrays:
    """Four outputs of a group side by side, tap by tap, as w + 128; zero points are in the biases.

    `centre` is what the kernel adds to an input value before it multiplies.
    """
    weights = call.consts["weights"].astype(np.int64)
    outs, lines = len(weights) // groups, weights.reshape(len(weights), -1)
    stored = [
        lines[group * outs + o, tap] + 128 if o < outs else 128
        for group in range(groups)
        for first in range(0, outs, 4)
        for tap in range(lines.shape[1])
        for o in range(first, first + 4)
    ]
    return without_zero(call, np.array(stored, np.uint8), lines, call.number("zp_in") + centre)
