# SPDX-License-Identifier: Apache-2.0
"""Which of its two neighbours each weight is rounded to, by coordinate descent on the error of the layer's output.

Example: weights 0.4 and 0.4 steps on inputs that rise and fall together are better rounded to 0 and 1 than to 0 and 0.

With q the rounded weights of an output, w the exact ones (both in steps) and H the covariance of what they multiply,
(q - w) H (q - w) is the output's error, its mean apart, which the bias corrects. Weights are moved one at a time to
where this is least. H is made of integers and w is cut to 16 binary places, so that every sum is exact in float64:
no order of summation, and so no BLAS or processor, changes a result.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.weights import nearest

Float = NDArray[np.float64]

ROWS = 10_000  # of inputs that the covariance is taken over
SEED = 0  # of their choice
PASSES = 2
DAMPING = 0.01  # of the mean variance, added to each where inputs of several channels may be nearly dependent
PLACES = 2.0**16  # (q - w) in 16 bits, H in 24 and up to 2^12 products fit the 53 bits of float64
LEVELS = 2.0**24
TAPS = 2304  # weights per output (3x3 of 256 channels); with more the matrices get large, and nothing is moved
EXACT_ROWS = 256  # products of +-255 whose sum float32 holds exactly
BLOCK = 64


def chosen_rows(count: int) -> NDArray[np.int64]:
    """At most ROWS of `count` rows, in their order."""
    if count <= ROWS:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, ROWS, replace=False))


def covariance(patches: NDArray[np.int16]) -> Float:
    """n^2 times the covariance of patches [groups, n, taps] within +-255: exact integers [groups, taps, taps]."""
    groups, count, taps = patches.shape
    square = np.zeros((groups, taps, taps))
    for start in range(0, count, EXACT_ROWS):
        part = patches[:, start : start + EXACT_ROWS].astype(np.float32)
        square += part.transpose(0, 2, 1) @ part
    total = patches.sum(axis=1, dtype=np.float64)
    return np.asarray(count * square - total[:, :, None] * total[:, None, :])


def levels(covariances: Float, rows: int, damping: float) -> Float:
    """Covariances with their diagonals raised, as integers of up to 24 bits; one factor for each group.

    What `rows` say of the covariance of n inputs is uncertain by about n / rows of its mean variance. Without as much
    on the diagonal, a dense layer is fitted to its 32 or 100 samples and gets worse on others.
    """
    taps = covariances.shape[-1]
    damping += taps / max(rows, 1)
    variance = np.einsum("gkk->gk", covariances)
    raised = covariances + damping * variance.mean(axis=1)[:, None, None] * np.eye(taps)
    largest = raised.max(axis=(1, 2), keepdims=True)
    return np.asarray(np.rint(raised * (LEVELS / np.maximum(largest, 1.0))))


def descend(exact: Float, covariances: Float) -> NDArray[np.bool_]:
    """Where weights [groups, outputs, taps] are better not rounded to the nearest; `covariances` as `levels` gives."""
    low, high = np.floor(exact), np.ceil(exact)
    made = nearest(exact)
    slope = (made - np.rint(exact * PLACES) / PLACES) @ covariances
    for _ in range(PASSES):
        for start in range(0, exact.shape[-1], BLOCK):
            part = slice(start, start + BLOCK)
            moved = _moves(
                made[..., part], slope[..., part], covariances[:, part, part], low[..., part], high[..., part]
            )
            made[..., part] += moved
            slope += moved @ covariances[:, part]
    return np.asarray(made != nearest(exact))


def _moves(made: Float, slope: Float, covariances: Float, low: Float, high: Float) -> Float:
    """By how much each weight of a block moves, one after the other, each time to the least error."""
    start, made, slope = made, made.copy(), slope.copy()
    for tap in range(made.shape[-1]):
        curve = covariances[:, tap, tap, None]
        if not curve.any():
            continue
        best = np.rint(made[..., tap] - slope[..., tap] / np.maximum(curve, 1.0))
        best = np.clip(best, low[..., tap], high[..., tap])
        move = np.where(curve > 0, best - made[..., tap], 0.0)
        made[..., tap] += move
        slope += move[..., None] * covariances[:, None, tap]
    return np.asarray(made - start)


def error(made: Float, exact: Float, covariances: Float, steps: Float) -> float:
    """Expected squared error of the outputs; `steps` [groups, outputs] are what a weight's step is worth in each."""
    off = made - exact
    return float((np.einsum("gok,gok->go", off @ covariances, off) * steps**2).sum())


def decibels(before: float, after: float) -> float:
    """How much smaller an error is, in dB."""
    return 10 * math.log10(max(before, 1e-300) / max(after, 1e-300))
