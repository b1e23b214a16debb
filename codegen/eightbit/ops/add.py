# SPDX-License-Identifier: Apache-2.0
"""Sum of two tensors with scales of their own, rounded once: no call rescales either of them before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eightbit.ir.cfields import S16, S32
from eightbit.ir.fixed import Int8, SumTerms, sum_terms, weighted_sum
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.rescale import Ends, Rescale, cost
from eightbit.ir.ties import Float
from eightbit.ops.opdef import Rising
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params:
    w: S16
    ch: S16
    mult_a: S16
    mult_b: S16
    sum_rshift: S16
    act_min: S16
    act_max: S16
    sum_c: S32


def terms(a: Tensor, b: Tensor, y: Tensor) -> SumTerms:
    """Multipliers, shift and constant for real values a + b = y."""
    return sum_terms(a.ratio / y.ratio, b.ratio / y.ratio, (a.zero_point, b.zero_point, y.zero_point))


class Add(Rising):
    name = "add"
    Params = Params
    channelwise = True
    bits = "y = clamp((a * mult_a + b * mult_b + c) >> k)"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        p = call.params
        a, b = (x.astype(np.int64) for x in inputs)
        return weighted_sum(a, b, self._terms(call), p.act_min, p.act_max)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return ins[0].shape

    def rescale(self, call: Call, ranges: Sequence[Ends], ins: Sequence[Tensor], out: Tensor) -> Rescale:
        p = call.params
        return cost(call.name, ins, out, ranges, self._terms(call), (p.act_min, p.act_max))

    def _terms(self, call: Call) -> SumTerms:
        p = call.params
        return SumTerms(p.mult_a, p.mult_b, p.sum_c, p.sum_rshift)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p, found = call.params, []
        if any(tensor.shape != out.shape or tensor.order != "HWC" for tensor in ins):
            found.append("inputs and output must have one shape and be stored as HWC")
        if out.shape[1:] != (p.w, p.ch):
            found.append(f"params are for rows of {p.w}x{p.ch}")
        if self._terms(call) != terms(ins[0], ins[1], out):
            found.append("multipliers, shift and constant do not follow from the scales")
        return found

    def real(self, call: Call, inputs: Sequence[Float]) -> Float:
        return inputs[0] + inputs[1]

    def constants_off(self, call: Call) -> float:
        """Two multipliers are off by 2^-(k+1) at most, for inputs up to 255."""
        return float(255 * 2.0**-call.params.sum_rshift)

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        y = graph.node("Add", graph.real(call.inputs[0]), graph.real(call.inputs[1]))
        graph.define(call.output, graph.rounded(call, y))


OP = Add()
