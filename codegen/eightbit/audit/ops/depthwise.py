# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution: as many groups as channels."""

from __future__ import annotations

from eightbit.audit.intervals import Derived, Interval
from eightbit.audit.linear import CONSTS, shapes, weight_scales, window_facts, windowed
from eightbit.audit.model import Call, Program, Tensor
from eightbit.audit.operator import REQUANT, WINDOW, Facts, Operator


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    yield from window_facts(call, ins[0], out)
    n = call.number
    yield n("groups") == n("in_ch"), f"{n('groups')} groups for {n('in_ch')} channels"
    yield from shapes(call, (n("kh"), n("kw"), n("out_ch")), n("out_ch"))


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    weights = call.consts["weights"].transpose(2, 0, 1)[..., None]
    return windowed(call, program.tensors[call.name], ins[0] - call.number("zp_in"), weights)


OP = Operator(
    params=f"{WINDOW} in_ch out_ch groups {REQUANT}",
    consts=CONSTS,
    facts=facts,
    intervals=intervals,
    numbers=weight_scales,
    planes=True,
)
