# SPDX-License-Identifier: Apache-2.0
"""Operators that move no value or only move values: Reshape, Flatten, Transpose, Squeeze, Unsqueeze."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .chain import Chain

RANK = 4


def reshape(c: Chain) -> None:
    shape = reshaped(c)
    spelled = list(shape)
    for i in range(min(c.rank, len(shape))):
        if shape[i] == c.shape[i] and (c.chance(0.3) or (c.symbolic and i == 0)):
            spelled[i] = 0
    free = 0 if c.symbolic and c.chance(0.5) else c.integer(0, len(shape) - 1)
    if c.chance(0.5):
        spelled[free] = -1
    c.append("Reshape", shape, [c.integers(spelled)], allowzero=0 if c.opset >= 14 and c.chance(0.3) else None)


def reshaped(c: Chain) -> tuple[int, ...]:
    """[1, all], [1, channels, rest], or the values of one sample in two or three axes at random."""
    total = math.prod(c.shape)
    style = c.pick(("flat", "rows", "two", "three"), (4, 2, 2, 3))
    if style == "rows" and c.batched and c.rank >= 3:
        return (1, c.shape[1], total // c.shape[1])
    if style in ("two", "three"):
        first = divisor(c, total, 17)
        if style == "two":
            return (1, first, total // first)
        second = divisor(c, total // first, 20)
        return (1, first, second, total // first // second)
    return (1, total)


def divisor(c: Chain, n: int, most: int) -> int:
    return c.pick([d for d in range(1, min(n, most) + 1) if n % d == 0])


def flatten(c: Chain) -> None:
    axis = 1 if c.symbolic or c.chance(0.75) else c.integer(0, c.rank)
    shape = (math.prod(c.shape[:axis]), math.prod(c.shape[axis:]))
    negative = c.opset >= 11 and axis < c.rank and c.chance(0.2)
    omitted = axis == 1 and c.chance(0.5)
    c.append("Flatten", shape, axis=None if omitted else axis - c.rank if negative else axis)


def transpose(c: Chain) -> None:
    """Mostly the batch axis stays first; where it is a plain 1 it may move, and `perm` may be left out."""
    if not c.symbolic and c.chance(0.15):
        perm = [int(i) for i in c.rng.permutation(c.rank)]
    else:
        perm = [0, *(int(i) for i in 1 + c.rng.permutation(c.rank - 1))]
    omitted = perm == list(range(c.rank))[::-1] and c.chance(0.7)
    c.append("Transpose", [c.shape[i] for i in perm], perm=None if omitted else perm)


def with_axes(c: Chain, op: str, shape: Sequence[int], axes: list[int], rank: int) -> None:
    """`axes` is an attribute below opset 13 and an input from there on; negative from opset 11 on."""
    if c.opset >= 11 and c.chance(0.3):
        axes = [a - rank for a in axes]
    if c.opset >= 13:
        c.append(op, shape, [c.integers(axes)])
    else:
        c.append(op, shape, axes=axes)


def squeeze(c: Chain) -> None:
    units = [i for i in range(1, c.rank) if c.shape[i] == 1]
    if not c.symbolic and c.chance(0.15) and any(n > 1 for n in c.shape):
        c.append("Squeeze", [n for n in c.shape if n > 1])  # no axes: all of size 1 go, the batch axis too
        return
    axes = units if c.chance(0.6) else [c.pick(units)]
    if c.batched and not c.symbolic and c.chance(0.07) and len(axes) < c.rank - 1:
        axes = [0, *axes]
    with_axes(c, "Squeeze", [n for i, n in enumerate(c.shape) if i not in axes], axes, c.rank)


def unsqueeze(c: Chain) -> None:
    count = c.integer(1, RANK - c.rank)
    rank = c.rank + count
    first = 1 if c.symbolic or (c.batched and c.chance(0.85)) else 0
    axes = sorted(int(i) for i in first + c.rng.permutation(rank - first)[:count])
    rest = iter(c.shape)
    with_axes(c, "Unsqueeze", [1 if i in axes else next(rest) for i in range(rank)], axes, rank)
