# SPDX-License-Identifier: Apache-2.0
"""Another shape or axis order of the same memory."""

from __future__ import annotations

from eightbit.audit.intervals import Derived, Interval
from eightbit.audit.model import Call, Program, Tensor
from eightbit.audit.operator import Facts, Operator


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    x = ins[0]
    yield x.size == out.size, "input and output differ in size"
    orders = (call.params["in_order"], call.params["out_order"])
    yield orders == (x.order, out.order), "params and tensors differ in axis order"


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    elements = ins[0].by_element(program.ins(call)[0])
    return Derived(None, None, elements.by_channel(program.tensors[call.name]))


OP = Operator(params="in_order out_order", facts=facts, intervals=intervals, planes=True, same_scale=True)
