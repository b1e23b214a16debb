# SPDX-License-Identifier: Apache-2.0
"""How far from half way between two integers exact values are: there, and there only, roundings may differ."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.fixed import Int64

Float = NDArray[np.float64]


def from_half(exact: Float) -> Float:
    """Of values in steps of the output; 0 exactly at ties."""
    return np.asarray(np.abs(exact - np.floor(exact) - 0.5))


def of_products(acc: Int64, mult: Int64, lshift: int, rshift: int) -> Float:
    """Of acc * m * 2^(l-32-k), in 64-bit integers: |acc << l| < 2^31 and m < 2^31."""
    bits = 32 + rshift
    rest = ((acc << lshift) * mult) & ((1 << bits) - 1)
    return np.asarray(np.abs(rest - (1 << (bits - 1))) / 2.0**bits)


def of_averages(sums: Int64, counts: Int64, ratio: Fraction) -> Float:
    """Of sum / count * ratio, in rationals, once for each pair of sum and count that occurs."""
    pairs = np.stack(np.broadcast_arrays(sums, counts), axis=-1).reshape(-1, 2)
    kinds, which = np.unique(pairs, axis=0, return_inverse=True)
    exact = [ratio * Fraction(int(total), int(count)) for total, count in kinds]
    return np.array([float(abs(v % 1 - Fraction(1, 2))) for v in exact])[which].reshape(sums.shape)
