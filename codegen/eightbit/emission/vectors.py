# SPDX-License-Identifier: Apache-2.0
"""Seeded test vectors and checksums, the same in NumPy and in the generated self-test.

Vector v mixes what finds faults: 0 noise, 1 a ramp, 2 extremes, 3 small noise, then again with other seeds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.fixed import Int8

COUNT = 4  # vectors in the self-test
MULTIPLIER, INCREMENT = 1664525, 1013904223  # a 32-bit linear congruential generator; its top bits are used
SEED = 0x9E3779B9
HASH_START, HASH_STEP = 2166136261, 16777619


def vector(number: int, size: int) -> Int8:
    """`size` s8 values of vector `number`, in memory order over all inputs."""
    states = _states((SEED * (number + 1)) & 0xFFFFFFFF, size)
    kind = number % 4
    if kind == 0:
        values = states >> 24
    elif kind == 1:
        values = (np.arange(size, dtype=np.uint64) * 7 + (states >> 30)) & 255
    elif kind == 2:
        values = (states >> 31) * 255
    else:
        values = (states >> 28) + 120
    return (values.astype(np.int64) - 128).astype(np.int8)


def _states(seed: int, size: int) -> NDArray[np.uint64]:
    """State i is a^(i+1) * seed + c * (a^0 + ... + a^i), modulo 2^32."""
    powers = _powers(MULTIPLIER, size + 1)
    with np.errstate(over="ignore"):
        sums = np.cumsum(powers[:-1], dtype=np.uint32) * np.uint32(INCREMENT)
        return (powers[1:] * np.uint32(seed) + sums).astype(np.uint64)


def checksum(values: Int8, start: int = HASH_START) -> int:
    """h = h * step + (value + 128) over all values, modulo 2^32: any one changed value changes it."""
    flat = values.ravel().astype(np.int16).astype(np.uint32) + np.uint32(128)
    with np.errstate(over="ignore"):
        total = int((flat * _powers(HASH_STEP, flat.size)[::-1]).sum(dtype=np.uint32))
    return (start * pow(HASH_STEP, flat.size, 1 << 32) + total) & 0xFFFFFFFF


def _powers(base: int, count: int) -> NDArray[np.uint32]:
    """base^0 .. base^(count-1) modulo 2^32."""
    factors = np.full(count, base, np.uint32)
    factors[:1] = 1
    return np.asarray(np.multiply.accumulate(factors, dtype=np.uint32))
