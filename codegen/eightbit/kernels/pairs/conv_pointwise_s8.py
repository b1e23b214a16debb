# SPDX-License-Identifier: Apache-2.0
"""Convolution by 1x1 windows at every pixel, in tiles of four output channels of two pixels; constants as in `tiles`.

Not with strides: those are few, in residual networks, beside larger windows whose kernel is there anyway.
"""

from __future__ import annotations

from eightbit.ir.program import Call, Tensor
from eightbit.kernels.kernel import Kernel
from eightbit.kernels.pairs import conv_s8 as pairs
from eightbit.kernels.tiles import conv_s8 as tiles


def accepts(call: Call, inputs: tuple[Tensor, ...]) -> str:
    p = call.params
    if (p.kh, p.kw) != (1, 1):
        return f"its window is {p.kh}x{p.kw}, not 1x1"
    if (p.stride_y, p.stride_x) != (1, 1):
        return "it does not take strides"
    if p.groups != 1:
        return "it does not take groups"
    if p.pad_top or p.pad_left:
        return "it does not take padding before the first pixel"
    return tiles.accepts(call, inputs)


KERNEL = Kernel(
    op="conv",
    variant="pointwise",
    isa="pairs",
    weights_type="e8_linear_tiles",
    write="tile 2",
    accepts=accepts,
    pack=tiles.pack,
    scratch=pairs.scratch,
)
