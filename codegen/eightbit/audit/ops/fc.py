# SPDX-License-Identifier: Apache-2.0
"""Fully connected layer."""

from __future__ import annotations

import numpy as np

from eightbit.audit.intervals import Derived, Interval
from eightbit.audit.linear import CONSTS, biased, shapes, summed, weight_scales
from eightbit.audit.model import Call, Program, Tensor
from eightbit.audit.operator import REQUANT, Facts, Operator


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    x, n = ins[0], call.number
    yield from shapes(call, (n("out_n"), n("in_n")), n("out_n"))
    yield x.size == n("in_n"), f"in_n is not the {x.size} elements of its input"
    yield out.shape == (1, 1, n("out_n")), f"out_n does not make {out.shape}"


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    elements = (ins[0] - call.number("zp_in")).by_element(program.ins(call)[0])
    return biased(call, *summed(call.consts["weights"].astype(np.int64), elements))


OP = Operator(params=f"in_n out_n {REQUANT}", consts=CONSTS, facts=facts, intervals=intervals, numbers=weight_scales)
