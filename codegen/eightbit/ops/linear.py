# SPDX-License-Identifier: Apache-2.0
"""What conv, depthwise and fc share: weights, bias and one multiplier per output channel.

acc = bias + sum((x - zp_in) * w);   y = clamp((mulhi(acc << l, mult) + c) >> k)
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.cfields import S16, S32
from eightbit.ir.fixed import S8_MAX, S8_MIN, Int8, Int64, Shifts, requantise
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.ties import Float, of_products
from eightbit.ir.weights import product_scales
from eightbit.ir.windows import Window, findings, reach, taps
from eightbit.ops.opdef import Interval, OpDef, Rows, farthest, float_type_for


@dataclass(frozen=True)
class WindowParams(Window):
    """Geometry and requantisation of conv and depthwise. A tap outside the image adds nothing."""

    in_ch: S16
    out_ch: S16
    groups: S16
    zp_in: S16
    acc_lshift: S16
    out_rshift: S16
    act_min: S16
    act_max: S16
    out_c: S32


class Linear(OpDef):
    """An operator with constant weights; `channel_axis` is where its weights count output channels.

    `mixes`: an output reads several channels.
    """

    consts = {"weights": "int8", "bias": "int32", "mult": "int32"}
    bits = "acc = bias + sum((x - zp) * w); y = clamp((mulhi(acc << l, mult) + c) >> k)"
    channel_axis: ClassVar[int]
    mixes: ClassVar[bool] = True

    @abstractmethod
    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64:
        """sum((x - zp) * w) without the bias: int64 [N, *shape]."""

    @abstractmethod
    def patches(self, call: Call, x: Int8, shape: Shape, rows: Int64) -> NDArray[np.int16]:
        """What weights are multiplied by at `rows` of the N * H * W positions of the output: x - zp.

        [groups, rows, taps]; `grouped` weights have the same groups and taps.
        """

    def grouped(self, call: Call, weights: NDArray[Any]) -> NDArray[Any]:
        """Weights, channels first and else in the order of the call, as [groups, outputs, taps]."""
        groups = getattr(call.params, "groups", 1)
        return weights.reshape(groups, call.consts["bias"].size // groups, -1)

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        return self.requantised(call, self.accumulate(call, inputs[0], shape) + call.consts["bias"])

    def requantised(self, call: Call, acc: Int64) -> Int8:
        """Results for accumulators [..., channels]; none falls when its accumulator rises."""
        p, shifts = call.params, Shifts(call.params.acc_lshift, call.params.out_rshift)
        return requantise(acc, call.consts["mult"], shifts, p.out_c, p.act_min, p.act_max)

    def intervals(
        self, call: Call, ranges: Sequence[Interval], ins: Sequence[Tensor], out: Tensor
    ) -> tuple[Interval | None, Interval]:
        """The least accumulator has the least input at positive weights and the largest at negative ones.

        Taps outside the image add nothing, at those positions of a window where they are outside.
        """
        weights, images = call.consts["weights"], ranges[0].images(ins[0].shape)
        rising, falling = weighted(call, np.maximum(weights, 0)), weighted(call, np.minimum(weights, 0))
        acc = self.accumulate(rising, images, out.shape) + self.accumulate(falling, images[::-1], out.shape)
        held = Interval.over(*np.split(acc + call.consts["bias"].astype(np.int64), 2))
        y = self.requantised(call, np.stack([held.low, held.high])).astype(np.int64)
        return held, Interval(y[0], y[1])

    def with_channels(self, call: Call, weights: Int8, bias: Int64, kept_out: Int64, **fields: int) -> Call:
        """The call with other weights, and only some of its output channels' biases and multipliers."""
        consts: dict[str, NDArray[Any]] = {
            "weights": np.ascontiguousarray(weights),
            "bias": bias[kept_out].astype(np.int32),
            "mult": call.consts["mult"][kept_out],
        }
        return replace(call, params=replace(call.params, **fields), consts=consts)

    def weight_scale(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> tuple[Fraction, ...]:
        shifts = Shifts(call.params.acc_lshift, call.params.out_rshift)
        return tuple(step / ins[0].ratio for step in product_scales(call.consts["mult"], shifts, out))

    def accumulator_bound(self, call: Call, low: int, high: int) -> Int64:
        """sum(|w|) * max|x - zp| + |b| per channel: no partial sum is larger."""
        weights = np.abs(call.consts["weights"].astype(np.int64))
        axes = tuple(i for i in range(weights.ndim) if i != self.channel_axis)
        bias = np.abs(call.consts["bias"].astype(np.int64))
        return np.asarray(weights.sum(axis=axes) * farthest(call.params.zp_in, low, high) + bias)

    def exact_float(self, call: Call) -> type[np.floating[Any]]:
        """The float type in which this call's sums are exact."""
        return float_type_for(int(self.accumulator_bound(call, S8_MIN, S8_MAX).max()))

    def from_half(self, call: Call, inputs: Sequence[Int8], ins: Sequence[Tensor], out: Tensor) -> Float:
        acc = self.accumulate(call, inputs[0], out.shape) + call.consts["bias"]
        mult = call.consts["mult"].astype(np.int64)
        return of_products(acc, mult, call.params.acc_lshift, call.params.out_rshift)

    def macs(self, call: Call, shape: Shape) -> int:
        return shape[0] * shape[1] * int(call.consts["weights"].size)

    def weight_findings(self, call: Call, expected: tuple[int, ...]) -> list[str]:
        channels = (expected[self.channel_axis],)
        shapes = {"weights": expected, "bias": channels, "mult": channels}
        return [
            f"{role} has shape {call.consts[role].shape}, not {shape}"
            for role, shape in shapes.items()
            if call.consts[role].shape != shape
        ]


def weighted(call: Call, weights: Int8) -> Call:
    """The call with other weights."""
    return replace(call, consts={**call.consts, "weights": weights})


def surplus(x: Interval, zp_in: int, kept_in: Int64) -> Int64:
    """Per input channel, what one weight of it adds to the bias when the channel goes: x - zp; 0 where it stays."""
    centred = x.low - zp_in
    centred[kept_in] = 0
    return centred


class Windowed(Linear):
    """Linear operators that slide a window over an image."""

    Params = WindowParams

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return (out.shape[0], call.params.out_w, call.params.out_ch)

    def rows(self, call: Call) -> Rows:
        return Rows(call.params.stride_y, call.params.pad_top, reach(call.params))

    def inside(self, call: Call, shape: Shape) -> bool:
        """Does every window of every output position lie inside the image?"""
        p = call.params
        bottom, right = (shape[0] - 1) * p.stride_y + reach(p), (shape[1] - 1) * p.stride_x + (p.kw - 1) * p.dil_x + 1
        return bool(p.pad_top == p.pad_left == 0 and bottom <= p.in_h and right <= p.in_w)

    def patches(self, call: Call, x: Int8, shape: Shape, rows: Int64) -> NDArray[np.int16]:
        p = call.params
        sample, y, column = np.unravel_index(rows, (len(x), shape[0], shape[1]))
        centred = x.astype(np.int16) - np.int16(p.zp_in)
        picked = [tap[sample, y, column] for _, _, tap in taps(centred, p, shape[0], shape[1], 0)]
        split = np.stack(picked, axis=1).reshape(len(rows), len(picked), p.groups, -1)
        return np.ascontiguousarray(split.transpose(2, 0, 1, 3)).reshape(p.groups, len(rows), -1)

    def input_findings(self, call: Call, ins: Sequence[Tensor]) -> list[str]:
        p, found = call.params, findings(call.params)
        if ins[0].shape != (p.in_h, p.in_w, p.in_ch):
            found.append(f"params are for an input of {p.in_h}x{p.in_w}x{p.in_ch}")
        return found
