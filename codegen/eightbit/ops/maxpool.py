# SPDX-License-Identifier: Apache-2.0
"""Maximum over windows; cells outside the image never count. Input and output share scale and zero point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eightbit.ir.cfields import S16
from eightbit.ir.fixed import S8_MIN, Int8
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.windows import Window, findings, reach, taps
from eightbit.ops.opdef import Rising, Rows
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params(Window):
    ch: S16
    act_min: S16
    act_max: S16


class MaxPool(Rising):
    name = "maxpool"
    Params = Params
    channelwise = True
    bits = "y = clamp(max(x))"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        best = np.full((len(inputs[0]), *shape), S8_MIN, np.int8)
        for _, _, tap in taps(inputs[0], call.params, shape[0], shape[1], S8_MIN):
            np.maximum(best, tap, out=best)
        return np.clip(best, call.params.act_min, call.params.act_max).astype(np.int8)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return (out.shape[0], call.params.out_w, call.params.ch)

    def rows(self, call: Call) -> Rows:
        return Rows(call.params.stride_y, call.params.pad_top, reach(call.params))

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p, found = call.params, findings(call.params)
        if ins[0].shape != (p.in_h, p.in_w, p.ch):
            found.append(f"params are for an input of {p.in_h}x{p.in_w}x{p.ch}")
        if (ins[0].scale, ins[0].zero_point) != (out.scale, out.zero_point):
            found.append("input and output must share scale and zero point")
        return found

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        p = call.params
        x, window = graph.window(call)
        top, left, bottom, right = window["pads"]
        if max(top, bottom) >= p.kh or max(left, right) >= p.kw:  # ONNX Runtime allows no such pads
            around = graph.integers("pads", (0, 0, top, left, 0, 0, bottom, right))
            x = graph.node("Pad", x, around, graph.constant("outside", np.array(-np.inf, np.float32)))
            window["pads"] = [0, 0, 0, 0]
        y = graph.node("MaxPool", x, **window)
        graph.define(call.output, graph.rounded(call, y))


OP = MaxPool()
