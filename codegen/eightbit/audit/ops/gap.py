# SPDX-License-Identifier: Apache-2.0
"""Global average."""

from __future__ import annotations

from eightbit.audit.intervals import Derived, Interval, farthest, requantised
from eightbit.audit.model import Call, Ledger, Program, Tensor
from eightbit.audit.operator import REQUANT, Facts, Operator
from eightbit.audit.pools import pool_facts, rounded_ratios


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    yield from pool_facts(call, ins[0], out)
    yield out.shape[:2] == (1, 1), "its output is more than one pixel"


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    acc = (ins[0] - call.number("zp_in")).times(call.number("in_h") * call.number("in_w"))
    return Derived(acc, farthest(acc), requantised(call, acc, call.number("mult")))


def numbers(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    cells = call.number("in_h") * call.number("in_w")
    rounded_ratios(call, [ins[0].scale / out.scale / cells], [call.number("mult")], ledger)


OP = Operator(
    params=f"in_h in_w ch {REQUANT} mult", facts=facts, intervals=intervals, numbers=numbers, planes=True, reduces=True
)
