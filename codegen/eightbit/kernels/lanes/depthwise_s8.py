# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution in lanes: the last channels of a pixel may be made twice, from inputs that are still there."""

from __future__ import annotations

from eightbit.ir.program import Call, Tensor
from eightbit.kernels.kernel import Kernel

FEWEST = 8


def accepts(call: Call, inputs: tuple[Tensor, ...]) -> str:
    if call.params.out_ch != call.params.in_ch:
        return "it does not take a channel multiplier"
    if call.params.out_ch < FEWEST:
        return f"{call.params.out_ch} channels are fewer than {FEWEST}"
    return ""


KERNEL = Kernel(op="depthwise", isa="lanes", weights_type="e8_linear_lanes", accepts=accepts, reread=True)
