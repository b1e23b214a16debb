# SPDX-License-Identifier: Apache-2.0
"""Convolution in tiles of four output channels of two pixels; constants as in `tiles`."""

from __future__ import annotations

from eightbit.ir.program import Call
from eightbit.kernels.kernel import Kernel
from eightbit.kernels.tiles import conv_s8 as tiles


def scratch(call: Call) -> int:
    return 2 * tiles.scratch(call)


KERNEL = Kernel(
    op="conv",
    isa="pairs",
    weights_type="e8_linear_tiles",
    planar=True,
    write="tile 2",
    accepts=tiles.accepts,
    pack=tiles.pack,
    scratch=scratch,
)
