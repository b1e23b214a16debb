# SPDX-License-Identifier: Apache-2.0
"""Softmax, from a table of exponentials."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from eightbit.audit.intervals import Derived, Interval, whole
from eightbit.audit.model import Call, Ledger, Program, Tensor
from eightbit.audit.operator import MULTIPLIERS, TABLES, Operator, table_of_256
from eightbit.audit.tables import DIGITS, decimal


def exponentials(scale: Fraction, channels: int, out_lshift: int) -> list[int]:
    """round(2^b * exp(-d * scale)) for d = 0 .. 255, with all the bits that a sum over `channels` leaves."""
    bits = 31 - max(out_lshift, math.ceil(math.log2(channels)))
    with localcontext() as context:
        context.prec = DIGITS
        step, one, half = decimal(scale), Decimal(2**bits), Decimal("0.5")
        return [int((one * (-step * d).exp() + half).to_integral_value("ROUND_FLOOR")) for d in range(256)]


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    return Derived(None, None, whole(program.tensors[call.name].shape[2]))


def numbers(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    lshift = call.number("out_lshift")
    holds = (out.scale, out.zero_point) == (Fraction(1, 1 << lshift), -128)
    if ledger.expect(MULTIPLIERS, call.name, holds, f"out_lshift={lshift} does not fit its output's scale"):
        expected = np.array(exponentials(ins[0].scale, ins[0].shape[2], lshift))
        ledger.arrays(TABLES, call.name, "table", call.consts["table"].astype(np.int64), expected)


OP = Operator(
    params="w ch out_lshift",
    consts={"table": "uint32"},
    limits={"out_lshift": (8, 15)},
    facts=table_of_256,
    intervals=intervals,
    numbers=numbers,
)
