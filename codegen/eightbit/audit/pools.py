# SPDX-License-Identifier: Apache-2.0
"""What the auditor knows of pools: shapes, and the multipliers of averages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from eightbit.audit.model import Call, Ledger, Tensor
from eightbit.audit.operator import MULTIPLIERS, Facts
from eightbit.audit.tables import half_up


def pool_facts(call: Call, x: Tensor, out: Tensor) -> Facts:
    """Of an operator that pools windows of each channel, or the whole of it."""
    n = call.number
    yield x.shape == (n("in_h"), n("in_w"), n("ch")), f"params are not for its input of {x.shape}"
    yield out.shape[2] == n("ch"), f"ch is not the {out.shape[2]} channels of its output"


def rounded_ratios(call: Call, ratios: Sequence[Fraction], mults: Sequence[int], ledger: Ledger) -> None:
    """Every ratio as a rounded 31-bit multiplier, with the shifts that leave it the most bits."""
    lshift, rshift = shifts_of(max(ratios))
    ledger.equal(MULTIPLIERS, call.name, "acc_lshift", call.number("acc_lshift"), lshift)
    ledger.equal(MULTIPLIERS, call.name, "out_rshift", call.number("out_rshift"), rshift)
    expected = [half_up(ratio * Fraction(2) ** (32 + rshift - lshift)) for ratio in ratios]
    ledger.arrays(MULTIPLIERS, call.name, "mult", np.array(mults), np.array(expected))


def shifts_of(largest: Fraction) -> tuple[int, int]:
    """(l, k): the most bits for which the multiplier of the largest ratio stays below 2^31, k at most 23."""
    exponent = 23  # k - l
    while math.ceil(largest * Fraction(2) ** (32 + exponent)) >= 2**31:
        exponent -= 1
    return (0, exponent) if exponent >= 1 else (1 - exponent, 1)
