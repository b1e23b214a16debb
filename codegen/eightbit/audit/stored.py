# SPDX-License-Identifier: Apache-2.0
"""How kernels store the constants of a call, and their scratch: said a second time, not asked of the compiler."""

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


def tiles_of_four(call: Call) -> Arrays:
    """Four outputs of a group side by side, tap by tap, as w + 128; zero points are in the biases."""
    weights = call.consts["weights"].astype(np.int64)
    groups = call.number("groups") if call.op == "conv" else 1
    centre = 128 if call.op == "conv" else 0  # taps are stored as x + 128, inputs of fc as they are
    outs, lines = len(weights) // groups, weights.reshape(len(weights), -1)
    stored = [
        lines[group * outs + o, tap] + 128 if o < outs else 128
        for group in range(groups)
        for first in range(0, outs, 4)
        for tap in range(lines.shape[1])
        for o in range(first, first + 4)
    ]
    return _without_zero(call, np.array(stored, np.uint8), lines, call.number("zp_in") + centre)


def channel_by_channel(call: Call) -> Arrays:
    """All taps of a channel, then those of the next; zero points are in the biases."""
    weights = call.consts["weights"]
    lines = weights.reshape(-1, weights.shape[-1]).T
    return _without_zero(call, lines.ravel(), lines, call.number("zp_in"))


def _without_zero(call: Call, weights: NDArray[Any], lines: NDArray[Any], zero: int) -> Arrays:
    start = call.consts["bias"] - zero * lines.sum(axis=1, dtype=np.int64)
    return {"weights": weights, "bias": start.astype(np.int32), "mult": call.consts["mult"]}


ORDERS: Mapping[str, Callable[[Call], Arrays]] = {  # by kernel; those of `ref` store what the program says
    "e8_conv_s8__lanes": blocks_of_16,
    "e8_depthwise_s8__lanes": as_they_are,
    "e8_conv_s8__tiles": tiles_of_four,
    "e8_conv_s8__pairs": tiles_of_four,
    "e8_fc_s8__tiles": tiles_of_four,
    "e8_depthwise_s8__tiles": channel_by_channel,
}


def _taps(call: Call) -> int:
    return call.number("kh") * call.number("kw") * call.number("in_ch")


SCRATCH: Mapping[str, Callable[[Call], int]] = {  # bytes by kernel; others take none
    "e8_conv_s8__tiles": _taps,
    "e8_conv_s8__pairs": lambda call: 2 * _taps(call),
    "e8_depthwise_s8__tiles": lambda call: call.number("in_ch"),
}


def stored(kernel: str, call: Call) -> Arrays | None:
    """The arrays of a call in the C, by role; None: how this kernel stores them is not known here."""
    order = as_they_are if kernel.endswith("__ref") or not call.consts else ORDERS.get(kernel)
    return None if order is None else order(call)


def scratch(kernel: str, call: Call) -> int:
    """Bytes that a kernel needs besides the tensors of a call."""
    return SCRATCH[kernel](call) if kernel in SCRATCH else 0


def weight_bytes(program: Program, plan: Plan) -> int:
    """Bytes of all constant arrays as the planned kernels store them."""
    arrays = (stored(step.kernel, call) for step, call in zip(plan.steps, program.coded, strict=True))
    return sum(array.nbytes for found in arrays if found is not None for array in found.values())
