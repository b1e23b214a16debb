# SPDX-License-Identifier: Apache-2.0
"""Convolution in lanes: tiles of four pixels and 16 output channels, whose weights lie side by side."""

from __future__ import annotations

import numpy as np

from eightbit.ir.program import Call, Tensor
from eightbit.kernels.kernel import Arrays, Kernel

LANES = 16


def accepts(call: Call, inputs: tuple[Tensor, ...]) -> str:
    if call.params.groups != 1:
        return "it does not take groups"
    if 2 * call.params.out_ch < LANES:
        return f"{call.params.out_ch} output channels fill less than half of {LANES} lanes"
    return ""


def pack(call: Call) -> Arrays:
    """Weights [blocks, kh, kw, in_ch, LANES], bias and mult [blocks, LANES]; a last block is filled up with 0."""
    missing, packed = -call.params.out_ch % LANES, {}
    for role, array in call.consts.items():
        whole = np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
        packed[role] = np.moveaxis(whole.reshape(-1, LANES, *array.shape[1:]), 1, -1)
    return packed


KERNEL = Kernel(
    op="conv",
    isa="lanes",
    weights_type="e8_linear_lanes",
    accepts=accepts,
    pack=pack,
    planar=True,
    write="tile 4",
    reread=True,
)
