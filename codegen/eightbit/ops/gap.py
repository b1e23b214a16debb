# SPDX-License-Identifier: Apache-2.0
"""Global average: the mean of every channel. A launch takes input rows; the last one writes the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eightbit.ir.cfields import S16, S32
from eightbit.ir.fixed import Int8, Int64, Shifts, requantise
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.ties import Float, of_averages
from eightbit.ops.opdef import Rising, Rows, farthest
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params:
    in_h: S16
    in_w: S16
    ch: S16
    zp_in: S16
    acc_lshift: S16
    out_rshift: S16
    act_min: S16
    act_max: S16
    out_c: S32
    mult: S32


class GlobalAverage(Rising):
    name = "gap"
    Params = Params
    channelwise = True
    bits = "acc = sum(x - zp); y = clamp((mulhi(acc << l, mult) + c) >> k)"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        p, acc = call.params, self.accumulate(call, inputs[0], shape)
        return requantise(acc, p.mult, Shifts(p.acc_lshift, p.out_rshift), p.out_c, p.act_min, p.act_max)

    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64:
        return np.asarray((x.astype(np.int64) - call.params.zp_in).sum(axis=(1, 2), keepdims=True))

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return (1, 1, call.params.ch)

    def rows(self, call: Call) -> Rows:
        return Rows(reduces=True)

    def accumulator_bound(self, call: Call, low: int, high: int) -> Int64:
        p = call.params
        return np.array([p.in_h * p.in_w * farthest(p.zp_in, low, high)], np.int64)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p = call.params
        if ins[0].shape == (p.in_h, p.in_w, p.ch):
            return []
        return [f"params are for an input of {p.in_h}x{p.in_w}x{p.ch}"]

    def from_half(self, call: Call, inputs: Sequence[Int8], ins: Sequence[Tensor], out: Tensor) -> Float:
        x = ins[0]
        sums = (inputs[0].astype(np.int64) - x.zero_point).sum(axis=(1, 2), keepdims=True)
        return of_averages(sums, np.array(x.shape[0] * x.shape[1]), x.ratio / out.ratio)

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        mean = graph.node("GlobalAveragePool", graph.real(call.inputs[0]))
        graph.define(call.output, graph.rounded(call, mean))


OP = GlobalAverage()
