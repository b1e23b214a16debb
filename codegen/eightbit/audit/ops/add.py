# SPDX-License-Identifier: Apache-2.0
"""Sum of two tensors."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from eightbit.audit.intervals import Derived, Interval, clamped, farthest
from eightbit.audit.model import Call, Ledger, Program, Tensor
from eightbit.audit.operator import CLAMP, MULTIPLIERS, Operator, same_shape
from eightbit.audit.tables import half_up


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    a, b = (
        Interval(np.minimum(x.low * m, x.high * m), np.maximum(x.low * m, x.high * m))
        for x, m in zip(ins, (call.number("mult_a"), call.number("mult_b")), strict=True)
    )
    out_c, shift = call.number("sum_c"), call.number("sum_rshift")
    acc = Interval(a.low + b.low + out_c, a.high + b.high + out_c)
    out = clamped(call, Interval(acc.low >> shift, acc.high >> shift))
    return Derived(None, farthest(a) + farthest(b) + abs(out_c), out)


def numbers(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    ratios = [x.scale / out.scale for x in ins]
    shift = shift_of(max(ratios))
    ledger.equal(MULTIPLIERS, call.name, "sum_rshift", call.number("sum_rshift"), shift)
    mults = [half_up(ratio * 2**shift) for ratio in ratios]
    out_c = (out.zero_point << shift) + (1 << shift - 1)
    for name, x, mult in zip(("mult_a", "mult_b"), ins, mults, strict=True):
        ledger.equal(MULTIPLIERS, call.name, name, call.number(name), mult)
        out_c -= x.zero_point * mult
    ledger.equal(MULTIPLIERS, call.name, "sum_c", call.number("sum_c"), out_c)


def shift_of(largest: Fraction) -> int:
    """The largest k up to 22 for which both multipliers of a sum fit 16 bits."""
    shift = 22
    while shift > 1 and half_up(largest * 2**shift) > 2**15 - 1:
        shift -= 1
    return shift


OP = Operator(
    params=f"w ch mult_a mult_b sum_rshift {CLAMP} sum_c",
    limits={"sum_rshift": (1, 22), "mult_a": (0, 2**15 - 1), "mult_b": (0, 2**15 - 1)},
    inputs=2,
    facts=same_shape,
    intervals=intervals,
    numbers=numbers,
)
