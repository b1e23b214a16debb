# SPDX-License-Identifier: Apache-2.0
"""Multipliers, shifts, rounding constants, tables and stated proofs of every call, against re-derived ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from eightbit.audit import tables
from eightbit.audit.intervals import Derived
from eightbit.audit.model import Call, Ledger, Pairs, Program, Tensor
from eightbit.audit.windows import averages

LINEAR = ("conv", "depthwise", "fc")
MULTIPLIERS, BOUNDS, RANGES, TABLES = "multipliers and shifts", "accumulator intervals", "ranges", "table entries"


def numbers(program: Program, derived: dict[str, Derived], ledger: Ledger) -> None:
    """Everything that follows from scales, constants and intervals."""
    for call in program.calls:
        ins, out, facts = program.ins(call), program.tensors[call.name], derived[call.name]
        if "out_rshift" in call.params:
            _requantisation(call, ins[0], out, facts, ledger)
        elif call.op == "add":
            _sum(call, ins, out, facts, ledger)
        elif call.op in ("lut", "softmax"):
            _table(call, ins[0], out, ledger)
        _stated(call, facts, ledger)


def _requantisation(call: Call, x: Tensor, y: Tensor, facts: Derived, ledger: Ledger) -> None:
    lshift, rshift = call.number("acc_lshift"), call.number("out_rshift")
    half = (y.zero_point << rshift) + (1 << rshift - 1)
    ledger.equal(MULTIPLIERS, call.name, "out_c", call.number("out_c"), half)
    if call.op in LINEAR:
        _weight_scales(call, x, y, ledger)
    else:
        _average(call, x, y, ledger)
    if facts.partial is not None:
        worst, limit = int(facts.partial.max()), 1 << 31 - lshift
        ledger.expect(BOUNDS, call.name, worst < limit, f"|acc| reaches {worst}, beyond 2^{31 - lshift}")


def _weight_scales(call: Call, x: Tensor, y: Tensor, ledger: Ledger) -> None:
    """mult * 2^(l-32-k) is s_x * s_w / s_y exactly, with the weight scales that the program states."""
    mults = call.consts["mult"].tolist()
    step = Fraction(2) ** (call.number("acc_lshift") - 32 - call.number("out_rshift")) * y.scale / x.scale
    if call.weight_scale is None:
        ledger.wrong(call.name, "no weight scales are stated, so that no multiplier can be proven")
        return
    if not ledger.equal(MULTIPLIERS, call.name, "the number of weight scales", len(call.weight_scale), len(mults)):
        return
    for channel, (mult, stated) in enumerate(zip(mults, call.weight_scale, strict=True)):
        text = f"multiplier {mult} of channel {channel} is a weight scale of {mult * step}, not of {stated}"
        ledger.expect(MULTIPLIERS, call.name, mult * step == stated, text)


def _average(call: Call, x: Tensor, y: Tensor, ledger: Ledger) -> None:
    """The rounded 31-bit multiplier of every divisor, with the shifts that leave it the most bits."""
    if call.op == "gap":
        divisors, mults = [call.number("in_h") * call.number("in_w")], [call.number("mult")]
    else:
        divisors, mults = call.consts["counts"].tolist(), call.consts["mult"].tolist()
        used = {counted for _, counted in averages(call, y)}
        ledger.expect(MULTIPLIERS, call.name, set(divisors) == used, "a multiplier is stored that no window uses")
    ratios = [x.scale / y.scale / cells for cells in divisors]
    lshift, rshift = tables.shifts_of_average(max(ratios))
    ledger.equal(MULTIPLIERS, call.name, "acc_lshift", call.number("acc_lshift"), lshift)
    ledger.equal(MULTIPLIERS, call.name, "out_rshift", call.number("out_rshift"), rshift)
    expected = [tables.half_up(ratio * Fraction(2) ** (32 + rshift - lshift)) for ratio in ratios]
    ledger.arrays(MULTIPLIERS, call.name, "mult", np.array(mults), np.array(expected))


def _sum(call: Call, ins: list[Tensor], y: Tensor, facts: Derived, ledger: Ledger) -> None:
    ratios = [x.scale / y.scale for x in ins]
    shift = tables.shift_of_sum(max(ratios))
    ledger.equal(MULTIPLIERS, call.name, "sum_rshift", call.number("sum_rshift"), shift)
    mults = [tables.half_up(ratio * 2**shift) for ratio in ratios]
    out_c = (y.zero_point << shift) + (1 << shift - 1)
    for name, x, mult in zip(("mult_a", "mult_b"), ins, mults, strict=True):
        ledger.equal(MULTIPLIERS, call.name, name, call.number(name), mult)
        out_c -= x.zero_point * mult
    ledger.equal(MULTIPLIERS, call.name, "sum_c", call.number("sum_c"), out_c)
    if facts.partial is not None:
        worst = int(facts.partial.max())
        ledger.expect(BOUNDS, call.name, worst < 2**31, f"its sum reaches {worst}, beyond 2^31")


def _table(call: Call, x: Tensor, y: Tensor, ledger: Ledger) -> None:
    if call.op == "softmax":
        lshift = call.number("out_lshift")
        holds = (y.scale, y.zero_point) == (Fraction(1, 1 << lshift), -128)
        if not ledger.expect(MULTIPLIERS, call.name, holds, f"out_lshift={lshift} does not fit its output's scale"):
            return
        expected = tables.exponentials(x.scale, x.shape[2], lshift)
    else:
        function = str(call.params["function"])
        known = function in tables.FUNCTIONS
        if not ledger.expect(MULTIPLIERS, call.name, known, f"function {function!r} is not known"):
            return
        expected = tables.lut(function, x, y)
    ledger.arrays(TABLES, call.name, "table", call.consts["table"].astype(np.int64), np.array(expected))


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
