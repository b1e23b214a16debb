# SPDX-License-Identifier: Apache-2.0
"""The same bytes under another shape or axis order. No code: input and output are one place in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eightbit.ir.fixed import Int8
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ops.opdef import Rising, Rows
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params:
    in_order: str
    out_order: str


class Reshape(Rising):
    name = "reshape"
    Params = Params
    has_code = False
    bits = "the same bytes"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        memory = inputs[0]
        if call.params.in_order == "CHW":
            memory = memory.transpose(0, 3, 1, 2)
        height, width, channels = shape
        if call.params.out_order == "CHW":
            return memory.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        return memory.reshape(-1, height, width, channels)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return None

    def rows(self, call: Call) -> Rows:
        return Rows(whole=True)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        found = []
        if ins[0].size != out.size:
            found.append("input and output differ in size")
        if (ins[0].order, out.order) != (call.params.in_order, call.params.out_order):
            found.append("params and tensors differ in axis order")
        if (ins[0].scale, ins[0].zero_point) != (out.scale, out.zero_point):
            found.append("input and output must share scale and zero point")
        return found

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        size = graph.tensor(call.output).size
        graph.define_memory(call.output, graph.memory(call.inputs[0], (size,)))


OP = Reshape()
