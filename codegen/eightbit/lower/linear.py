# SPDX-License-Identifier: Apache-2.0
"""Shared by Conv, dense layers and BatchNormalization: float weights and bias to a quantised linear call."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Node
from eightbit.ir import weights as quantiser
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Shape, Tensor
from eightbit.lower.builder import Builder
from eightbit.ops.linear import WindowParams

Float = NDArray[np.float64]


def quantised(
    b: Builder, node: Node, x: Tensor, shape: Shape, weights: Float, bias: Float
) -> tuple[Tensor, quantiser.Quantised, dict[str, int]]:
    """Output tensor, integers, and the Params fields that all linear operators share.

    `weights` [channels, ...] in the order of the call, `bias` [channels]; a corrected bias of the calibration replaces
    `bias`, and its roundings say where a weight is not rounded to the nearest.
    """
    value = node.outputs[0]
    corrected = b.biases.get(value)
    if corrected is not None and len(corrected) == len(bias):
        bias = np.array(corrected)
    floor = quantiser.scale_floor(float(quantiser.potential(weights, bias, x).max()))
    scale, zero_point = b.scale_for(value, floor)
    y = Tensor("", shape, scale, zero_point, value)
    moved = b.roundings.get(value)
    q = quantiser.quantise(weights, bias, x, y, moved if moved is not None and moved.size == weights.size else None)
    b.exact[value] = q.exact
    fields = {
        "zp_in": x.zero_point,
        "acc_lshift": q.shifts.lshift,
        "out_rshift": q.shifts.rshift,
        "act_min": S8_MIN,
        "act_max": S8_MAX,
        "out_c": q.out_c,
    }
    return y, q, fields


def pointwise(b: Builder, node: Node, x: Tensor, weights: Float, bias: Float) -> str:
    """A dense layer [out, in] applied to every pixel of x: a 1x1 convolution. Returns the output tensor."""
    height, width, channels = x.shape
    y, q, fields = quantised(b, node, x, (height, width, len(weights)), weights, bias)
    params = WindowParams(
        in_h=height, in_w=width, in_ch=channels, out_w=width, out_ch=len(weights), groups=1, kh=1, kw=1,
        stride_y=1, stride_x=1, dil_y=1, dil_x=1, pad_top=0, pad_left=0, **fields,
    )  # fmt: skip
    packed = q.weights.reshape(len(weights), 1, 1, channels)
    return b.emit("conv", params, (x.name,), y, consts(q, packed), node)


def consts(q: quantiser.Quantised, weights: NDArray[np.int8]) -> dict[str, NDArray[Any]]:
    return {"weights": np.ascontiguousarray(weights), "bias": q.bias, "mult": q.mult}
