# SPDX-License-Identifier: Apache-2.0
"""How kernels store the constants of a call: said here a second time, not asked of the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.model import Call, Plan, Program

Arrays = Mapping[str, NDArray[Any]]


def as_they_are(call: Call) -> Arrays:
    """In the order of the program."""
    return call.consts


def blocks_of_16(call: Call) -> Arrays:
    """Output channels first, 16 to a block, filled up with 0; in a block they are the last axis."""
    found = {}
    for role, array in call.consts.items():
        blocks = np.zeros((-(-len(array) // 16), *array.shape[1:], 16), array.dtype)
        for channel, values in enumerate(array):
            blocks[channel // 16, ..., channel % 16] = values
        found[role] = blocks
    return found


ORDERS: Mapping[str, Callable[[Call], Arrays]] = {  # by kernel; those of `ref` store what the program says
    "e8_conv_s8__lanes": blocks_of_16,
    "e8_depthwise_s8__lanes": as_they_are,
}


def stored(kernel: str, call: Call) -> Arrays | None:
    """The arrays of a call in the C, by role; None: how this kernel stores them is not known here."""
    order = as_they_are if kernel.endswith("__ref") or not call.consts else ORDERS.get(kernel)
    return None if order is None else order(call)


def weight_bytes(program: Program, plan: Plan) -> int:
    """Bytes of all constant arrays as the planned kernels store them."""
    arrays = (stored(step.kernel, call) for step, call in zip(plan.steps, program.coded, strict=True))
    return sum(array.nbytes for found in arrays if found is not None for array in found.values())
