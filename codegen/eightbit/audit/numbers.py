# SPDX-License-Identifier: Apache-2.0
"""Intervals of every call, and its multipliers, shifts, rounding constants, tables and stated proofs against them."""

from __future__ import annotations

from eightbit.audit import ops
from eightbit.audit.intervals import Derived, whole
from eightbit.audit.model import Call, Ledger, Pairs, Program, Tensor
from eightbit.audit.operator import MULTIPLIERS

BOUNDS, RANGES = "accumulator intervals", "ranges"


def derive(program: Program) -> dict[str, Derived]:
    """Every call's intervals, in the order of the calls."""
    reach = {port.tensor: whole(program.tensors[port.tensor].shape[2]) for port in program.inputs}
    found = {}
    for call in program.calls:
        found[call.name] = ops.all_ops()[call.op].intervals(call, program, [reach[name] for name in call.inputs])
        reach[call.name] = found[call.name].out
    return found


def numbers(program: Program, derived: dict[str, Derived], ledger: Ledger) -> None:
    """Everything that follows from scales, constants and intervals."""
    for call in program.calls:
        ins, out, facts = program.ins(call), program.tensors[call.name], derived[call.name]
        if "out_rshift" in call.params:
            _rounding(call, out, ledger)
        ops.all_ops()[call.op].numbers(call, ins, out, ledger)
        _partial_sums(call, facts, ledger)
        _stated(call, facts, ledger)


def _rounding(call: Call, y: Tensor, ledger: Ledger) -> None:
    rshift = call.number("out_rshift")
    half = (y.zero_point << rshift) + (1 << rshift - 1)
    ledger.equal(MULTIPLIERS, call.name, "out_c", call.number("out_c"), half)


def _partial_sums(call: Call, facts: Derived, ledger: Ledger) -> None:
    if facts.partial is not None:
        bits = 31 - (call.number("acc_lshift") if "acc_lshift" in call.params else 0)
        worst = int(facts.partial.max())
        ledger.expect(BOUNDS, call.name, worst < 1 << bits, f"|acc| reaches {worst}, beyond 2^{bits}")


def _stated(call: Call, facts: Derived, ledger: Ledger) -> None:
    """The proofs in the text: the same intervals, neither narrower nor wider."""
    if facts.acc is not None:
        acc = facts.acc.pairs
        ends = (int(facts.acc.low.min()), int(facts.acc.high.max()))
        if call.acc is None:
            ledger.wrong(call.name, "no accumulator interval is stated")
        else:
            _intervals(call, "accumulator", BOUNDS, call.acc[2], acc, ledger)
            ledger.equal(BOUNDS, call.name, "the accumulator interval", call.acc[:2], ends)
    if call.reach is None:
        ledger.wrong(call.name, "no range of its output is stated")
    else:
        _intervals(call, "range", RANGES, call.reach, facts.out.pairs, ledger)


def _intervals(call: Call, what: str, kind: str, stated: Pairs, tight: Pairs, ledger: Ledger) -> None:
    if not ledger.equal(kind, call.name, f"the number of {what}s", len(stated), len(tight)):
        return
    for channel, (found, expected) in enumerate(zip(stated, tight, strict=True)):
        valid = found[0] <= expected[0] and expected[1] <= found[1]
        fault = "valid but looser than" if valid else "narrower than, or beside,"
        text = f"{what} {found[0]}:{found[1]} of channel {channel} is {fault} {expected[0]}:{expected[1]}"
        ledger.expect(kind, call.name, found == expected, text)
