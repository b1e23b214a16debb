# SPDX-License-Identifier: Apache-2.0
"""The decimal and rational arithmetic in which tables and multipliers are recomputed from the scales."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from eightbit.audit.model import S8_MAX, S8_MIN

DIGITS = 60


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def saturated(value: int) -> int:
    return min(S8_MAX, max(S8_MIN, value))


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
