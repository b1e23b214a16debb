# SPDX-License-Identifier: Apache-2.0
"""The integer arithmetic that defines every bit: the NumPy twin of runtime_c/include/e8_math.h.

    y = clamp((mulhi32(acc << l, m) + c) >> k),   c = (zp << k) + 2^(k-1)

is one round-half-up of acc * m * 2^(l-32-k) + zp, because floors compose. `>>` is floor everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]

S8_MIN, S8_MAX = -128, 127
M15_BITS = 15  # multipliers that define a weight scale: two 16-bit products on small cores
M31_BITS = 31  # multipliers that only approximate a given ratio
M15_MAX_K = 7  # with k <= 7 SIMD kernels may narrow before they shift
SUM_MAX_K = 22  # |a * m1 + b * m2 + c| stays below 2^31
M31_MAX_K = 23  # k = 24 would let mulhi + c leave 32 bits
SCALE_FLOOR = Fraction(1, 2**13)  # smallest M = s_x * s_w / s_y of a channel


@dataclass(frozen=True)
class Shifts:
    """The constants of a layer's requantisation: left shift l of the accumulator, right shift k."""

    lshift: int
    rshift: int

    def ratio(self, mult: int) -> Fraction:
        """The exact real factor acc -> output that a 32-bit multiplier stands for: m * 2^(l-32-k)."""
        return Fraction(mult << self.lshift, 1 << (32 + self.rshift))


def mulhi(a: Int64, b: Int64 | int) -> Int64:
    """Floor of the high 32 bits of the signed 64-bit product of two 32-bit values."""
    return np.asarray(np.right_shift(np.multiply(a, b, dtype=np.int64), 32))


def requantise(acc: Int64, mult: Int64 | int, shifts: Shifts, out_c: int, act_min: int, act_max: int) -> Int8:
    """Accumulators to s8. Needs |acc << l| < 2^31, which the Program proves; `mult` broadcasts."""
    high = mulhi(np.left_shift(acc, shifts.lshift), mult)
    value: Int64 = np.right_shift(high + out_c, shifts.rshift)
    return np.asarray(np.clip(value, act_min, act_max), np.int8)


@dataclass(frozen=True)
class SumTerms:
    """The constants of y = clamp((a * m1 + b * m2 + c) >> k): a rescale, or the sum of two tensors, rounded once."""

    mult_a: int
    mult_b: int
    out_c: int
    rshift: int


def sum_terms(ratio_a: Fraction, ratio_b: Fraction, zps: tuple[int, int, int]) -> SumTerms:
    """Terms for scale ratios s_a / s_y and s_b / s_y and the zero points of a, b and y.

    k is the largest <= 22 for which both multipliers fit 16 bits; then no step leaves 32 bits.
    """
    rshift = SUM_MAX_K
    while rshift > 1 and round_half_up(max(ratio_a, ratio_b) * 2**rshift) >= 1 << 15:
        rshift -= 1
    mult_a, mult_b = (round_half_up(ratio * 2**rshift) for ratio in (ratio_a, ratio_b))
    out_c = rounding_constant(zps[2], rshift) - zps[0] * mult_a - zps[1] * mult_b
    return SumTerms(mult_a, mult_b, out_c, rshift)


def weighted_sum(a: Int64, b: Int64, terms: SumTerms, act_min: int, act_max: int) -> Int8:
    """s8 a and b to s8: clamp((a * m1 + b * m2 + c) >> k)."""
    total = np.asarray(a, np.int64) * terms.mult_a + np.asarray(b, np.int64) * terms.mult_b + terms.out_c
    return np.asarray(np.clip(np.right_shift(total, terms.rshift), act_min, act_max), np.int8)


def rounding_constant(zero_point: int, rshift: int) -> int:
    """c = (zp << k) + 2^(k-1): the output zero point and the half of round-half-up."""
    return (zero_point << rshift) + (1 << (rshift - 1))


def choose_shifts(largest: Fraction, bits: int, max_k: int) -> Shifts:
    """Shifts for a layer whose largest factor is M: ceil(M * 2^(bits+1+k-l)) stays below 2^bits.

    l is 0 wherever M < 1/4, else as small as it can be; k is as large as it can be, up to `max_k`.
    """
    if largest <= 0:
        return Shifts(0, max_k)
    magnitude = largest.numerator.bit_length() - largest.denominator.bit_length()  # log2(M) or one more
    exponent = 2 - magnitude  # k - l; starts too large, then steps down exactly
    while math.ceil(largest * Fraction(2) ** (bits + 1 + exponent)) >= 1 << bits:
        exponent -= 1
    if exponent >= 1:
        return Shifts(0, min(exponent, max_k))
    return Shifts(1 - exponent, 1)


def rounded_multiplier(ratio: Fraction, shifts: Shifts) -> int:
    """The 31-bit multiplier nearest to a given ratio; pools have no weights that could absorb the rest."""
    return round_half_up(ratio * Fraction(2) ** (32 + shifts.rshift - shifts.lshift))


def round_half_up(value: Fraction | float) -> int:
    """floor(value + 1/2), exactly."""
    return math.floor(Fraction(value) + Fraction(1, 2))


def quantise(x: NDArray[np.floating], scale: float, zero_point: int) -> Int8:
    """Real values to s8, half up: clamp(floor(x / scale + zp + 1/2))."""
    scaled = np.floor(np.asarray(x, np.float64) / scale + 0.5) + zero_point
    return np.asarray(np.clip(scaled, S8_MIN, S8_MAX), np.int8)


def dequantise(q: NDArray[np.integer], scale: float, zero_point: int) -> NDArray[np.float64]:
    """s8 to the real values they stand for: scale * (q - zp)."""
    return (q.astype(np.float64) - zero_point) * scale


def activation_scale(low: float, high: float) -> tuple[float, int]:
    """Scale (a float32 value) and zero point of an asymmetric s8 tensor that covers [low, high] and 0."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255))
    if scale < float(np.finfo(np.float32).tiny):
        return 1.0, 0  # a tensor that is always zero: any scale is exact
    return scale, min(S8_MAX, max(S8_MIN, round_half_up(S8_MIN - low / scale)))
