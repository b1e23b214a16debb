# SPDX-License-Identifier: Apache-2.0
"""MaxPool, AveragePool and GlobalAveragePool. A window that covers the whole image lowers to `gap`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.fixed import (
    M31_BITS,
    M31_MAX_K,
    S8_MAX,
    S8_MIN,
    choose_shifts,
    rounded_multiplier,
    rounding_constant,
)
from eightbit.ir.program import Shape, Tensor
from eightbit.ir.weights import scale_floor
from eightbit.ir.windows import tap_counts
from eightbit.lower.builder import Builder
from eightbit.lower.geometry import Axis, axes, window_fields, window_refusal
from eightbit.lower.rule import Rule, always
from eightbit.ops import avgpool, gap, maxpool


def lower_maxpool(b: Builder, node: Node) -> None:
    x = b.image(node.inputs[0])
    y_axis, x_axis = axes(b.graph, node, list(node.attributes["kernel_shape"]))
    params = maxpool.Params(**window_fields(y_axis, x_axis), ch=x.shape[2], act_min=S8_MIN, act_max=S8_MAX)
    shape = (y_axis.out, x_axis.out, x.shape[2])
    y = Tensor("", shape, x.scale, x.zero_point, node.outputs[0])
    b.bind(node.outputs[0], b.emit("maxpool", params, (x.name,), y, node=node), b.image_index(shape))


def lower_average(b: Builder, node: Node) -> None:
    y_axis, x_axis = axes(b.graph, node, list(node.attributes["kernel_shape"]))
    if all((a.kernel, a.out, a.before, a.after) == (a.size, 1, 0, 0) for a in (y_axis, x_axis)):
        lower_global(b, node)
        return
    x = b.image(node.inputs[0])
    shape = (y_axis.out, x_axis.out, x.shape[2])
    y, requant = averaged(b, node, x, shape, counts(node, y_axis, x_axis))
    pad = bool(node.attributes.get("count_include_pad", 0))
    (y0, y1), (x0, x1) = counted(y_axis, pad), counted(x_axis, pad)
    params = avgpool.Params(
        **window_fields(y_axis, x_axis), ch=x.shape[2], count_y0=y0, count_y1=y1, count_x0=x0, count_x1=x1,
        counts_n=len(requant.counts), zp_in=x.zero_point, acc_lshift=requant.lshift, out_rshift=requant.rshift,
        act_min=S8_MIN, act_max=S8_MAX, out_c=requant.out_c,
    )  # fmt: skip
    consts: dict[str, NDArray[Any]] = {
        "counts": np.array(requant.counts, np.int16),
        "mult": np.array(requant.mults, np.int32),
    }
    b.bind(node.outputs[0], b.emit("avgpool", params, (x.name,), y, consts, node), b.image_index(shape))


def lower_global(b: Builder, node: Node) -> None:
    x = b.image(node.inputs[0])
    b.bind(node.outputs[0], averaged_whole(b, node, x), b.image_index((1, 1, x.shape[2])))


def averaged_whole(b: Builder, node: Node, x: Tensor) -> str:
    """The average of every channel of an image x; returns the output tensor."""
    height, width, channels = x.shape
    y, requant = averaged(b, node, x, (1, 1, channels), [height * width])
    params = gap.Params(
        in_h=height, in_w=width, ch=channels, zp_in=x.zero_point, acc_lshift=requant.lshift,
        out_rshift=requant.rshift, act_min=S8_MIN, act_max=S8_MAX, out_c=requant.out_c, mult=requant.mults[0],
    )  # fmt: skip
    return b.emit("gap", params, (x.name,), y, node=node)


class Requant:
    """Shifts and one rounded 31-bit multiplier per divisor that occurs."""

    def __init__(self, x: Tensor, y: Tensor, divisors: list[int]) -> None:
        ratios = [x.ratio / y.ratio / n for n in divisors]
        shifts = choose_shifts(max(ratios), M31_BITS, M31_MAX_K)
        self.counts = divisors
        self.mults = [rounded_multiplier(ratio, shifts) for ratio in ratios]
        self.lshift, self.rshift = shifts.lshift, shifts.rshift
        self.out_c = rounding_constant(y.zero_point, shifts.rshift)


def averaged(b: Builder, node: Node, x: Tensor, shape: Shape, divisors: list[int]) -> tuple[Tensor, Requant]:
    """Output tensor and requantisation of an average over windows of `divisors` cells."""
    floor = scale_floor(float(x.ratio * Fraction(255)) * max(divisors) / min(divisors))
    scale, zero_point = b.scale_for(node.outputs[0], floor)
    y = Tensor("", shape, scale, zero_point, node.outputs[0])
    return y, Requant(x, y, divisors)


def counted(axis: Axis, include_pad: bool) -> tuple[int, int]:
    """The cells [low, high) along one axis that the divisor counts."""
    return (-axis.before, axis.size + axis.after) if include_pad else (0, axis.size)


def counts(node: Node, y_axis: Axis, x_axis: Axis) -> list[int]:
    """Every divisor that occurs, ascending."""
    pad = bool(node.attributes.get("count_include_pad", 0))
    per_axis = [
        set(tap_counts(a.out, a.kernel, a.stride, a.dilation, a.before, *counted(a, pad)).tolist())
        for a in (y_axis, x_axis)
    ]
    return sorted({rows * columns for rows in per_axis[0] for columns in per_axis[1]})


def pool_refusal(graph: Graph, node: Node) -> str:
    reason = window_refusal(graph, node, node.attributes.get("kernel_shape"))
    if reason:
        return reason
    pad = bool(node.attributes.get("count_include_pad", 0))
    for axis in axes(graph, node, list(node.attributes["kernel_shape"])):
        seen = counted(axis, pad)
        if not tap_counts(axis.out, axis.kernel, axis.stride, axis.dilation, axis.before, *seen).all():
            return "a window has no cell that counts, so its result is not defined"
    return ""


def global_refusal(graph: Graph, node: Node) -> str:
    shape = graph.shapes[node.inputs[0]]
    if len(shape) not in (3, 4) or shape[0] != 1:
        return f"its input {list(shape)} is not [1, C, H, W] or [1, C, L]"
    return ""


RULES = {
    "MaxPool": Rule(lower_maxpool, pool_refusal, keeps_scale=True, passes_factors=always),
    "AveragePool": Rule(lower_average, pool_refusal, passes_factors=always),
    "GlobalAveragePool": Rule(lower_global, global_refusal, passes_factors=always),
}
