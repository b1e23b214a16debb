# SPDX-License-Identifier: Apache-2.0
"""Tables and multipliers recomputed from the scales, in decimal and rational arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

from eightbit.audit.model import S8_MAX, S8_MIN, Tensor

DIGITS = 60


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def saturated(value: int) -> int:
    return min(S8_MAX, max(S8_MIN, value))


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp()) if x >= 0 else x.exp() / (1 + x.exp())


def tanh(x: Decimal) -> Decimal:
    return 2 * sigmoid(2 * x) - 1


FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {"Sigmoid": sigmoid, "Tanh": tanh}


def lut(function: str, x: Tensor, y: Tensor) -> list[int]:
    """f(x) in steps of y for x = -128 .. 127, rounded half up."""
    with localcontext() as context:
        context.prec = DIGITS
        real = FUNCTIONS[function]
        values = (real(decimal(x.scale * (q - x.zero_point))) / decimal(y.scale) for q in range(S8_MIN, S8_MAX + 1))
        half = Decimal("0.5")
        return [saturated(int((v + half).to_integral_value("ROUND_FLOOR")) + y.zero_point) for v in values]


def exponentials(scale: Fraction, channels: int, out_lshift: int) -> list[int]:
    """round(2^b * exp(-d * scale)) for d = 0 .. 255, with all the bits that a sum over `channels` leaves."""
    bits = 31 - max(out_lshift, math.ceil(math.log2(channels)))
    with localcontext() as context:
        context.prec = DIGITS
        step, one, half = decimal(scale), Decimal(2**bits), Decimal("0.5")
        return [int((one * (-step * d).exp() + half).to_integral_value("ROUND_FLOOR")) for d in range(256)]


def shifts_of_average(largest: Fraction) -> tuple[int, int]:
    """(l, k): the most bits for which the multiplier of the largest ratio stays below 2^31, k at most 23."""
    exponent = 23  # k - l
    while math.ceil(largest * Fraction(2) ** (32 + exponent)) >= 2**31:
        exponent -= 1
    return (0, exponent) if exponent >= 1 else (1 - exponent, 1)


def shift_of_sum(largest: Fraction) -> int:
    """The largest k up to 22 for which both multipliers of a sum fit 16 bits."""
    shift = 22
    while shift > 1 and half_up(largest * 2**shift) > 2**15 - 1:
        shift -= 1
    return shift
