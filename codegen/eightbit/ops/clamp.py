# SPDX-License-Identifier: Apache-2.0
"""Relu and Clip on their own: y = clamp(x). Mostly they are fused into the call before (`optimize`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eightbit.ir.cfields import S16
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ops.opdef import Rising
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params:
    w: S16
    ch: S16
    act_min: S16
    act_max: S16


class Clamp(Rising):
    name = "clamp"
    Params = Params
    channelwise = True
    bits = "y = clamp(x)"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        return np.clip(inputs[0], call.params.act_min, call.params.act_max).astype(np.int8)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return ins[0].shape

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        found = []
        if ins[0].shape[1:] != (call.params.w, call.params.ch):
            found.append(f"params are for rows of {call.params.w}x{call.params.ch}")
        if (ins[0].scale, ins[0].zero_point) != (out.scale, out.zero_point):
            found.append("input and output must share scale and zero point")
        return found

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        value = graph.names[call.inputs[0]]
        graph.define(call.output, graph.clip(value, call.params.act_min, call.params.act_max))


OP = Clamp()
