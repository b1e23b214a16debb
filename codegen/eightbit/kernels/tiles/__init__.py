# SPDX-License-Identifier: Apache-2.0
"""Facts of kernels that keep a tile of four outputs in registers: portable C99 for 32-bit cores without SIMD."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.program import Call

OUTPUTS = 4  # of a tile


def tiled(weights: NDArray[np.int8]) -> NDArray[np.uint8]:
    """[groups, outputs, taps] -> w + 128, [groups, tiles, taps, OUTPUTS]; what the last tile lacks weighs nothing."""
    groups, outs, taps = weights.shape
    padding = ((0, 0), (0, -outs % OUTPUTS), (0, 0))
    padded = np.pad(weights.astype(np.int16) + 128, padding, constant_values=128).astype(np.uint8)
    return np.ascontiguousarray(padded.reshape(groups, -1, OUTPUTS, taps).swapaxes(2, 3))


def biases(call: Call, zero: int, rows: NDArray[np.int8]) -> NDArray[np.int64]:
    """bias - zero * sum(w) per output, for weights [outputs, taps]."""
    return np.asarray(call.consts["bias"].astype(np.int64) - zero * rows.sum(axis=1, dtype=np.int64))


def overflow(biases: NDArray[np.int64], most: int) -> str:
    """Why 32 bits do not hold every partial sum, if products add up to `most`; or ""."""
    reached = int(np.abs(biases).max()) + most
    return f"its sums may reach {reached}" if reached >= 1 << 31 else ""
