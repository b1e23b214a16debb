# SPDX-License-Identifier: Apache-2.0
"""Requantisations, pools and sums against exact rationals, over every accumulator or pair of values they can meet.

An exact result is clamp(round_half_up(v) + zp) of a rational v in output steps. A multiplier that is rounded moves v by
no more than `reach`, so that a result can differ only where v lies that near to a rounding boundary, by one step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.ir.fixed import S8_MAX, S8_MIN, Int64, Shifts, requantise
from eightbit.ir.program import Call, Program, Tensor, hull
from eightbit.ops.linear import Linear

EXACT = 1 << 62  # int64 holds what stays below; beyond, NumPy keeps Python's integers
PIECE = 1 << 20  # accumulators at a time
BYTES = np.arange(S8_MIN, S8_MAX + 1)


@dataclass(frozen=True)
class Compared:
    """How many results were compared, how many differ, by at most `largest` steps.

    `near` results lie within `reach` output steps of a rounding boundary: no other one may differ.
    """

    values: int = 0
    differing: int = 0
    largest: int = 0
    near: int = 0
    reach: float = 0.0

    @property
    def proven(self) -> bool:
        return self.differing <= self.near and self.largest <= 1

    def __add__(self, other: Compared) -> Compared:
        return Compared(
            self.values + other.values,
            self.differing + other.differing,
            max(self.largest, other.largest),
            self.near + other.near,
            max(self.reach, other.reach),
        )


@dataclass(frozen=True)
class Rational:
    """An array of fractions with one denominator: int64 where all that is done with them fits, else Python integers."""

    numerators: NDArray[Any]
    denominator: int


def rational(terms: list[tuple[Int64, Fraction]]) -> Rational:
    """The sum of integer arrays, each times a fraction."""
    denominator = int(np.lcm.reduce([factor.denominator for _, factor in terms], dtype=object))
    factors = [factor.numerator * (denominator // factor.denominator) for _, factor in terms]
    most = sum(int(np.abs(x).max(initial=0)) * factor for (x, _), factor in zip(terms, factors, strict=True))
    kind = np.int64 if 2 * most + 3 * denominator < EXACT else object
    total = sum(x.astype(kind) * factor for (x, _), factor in zip(terms, factors, strict=True))
    return Rational(np.asarray(total), denominator)


def compare(v: Rational, reach: Fraction, zp: int, low: int, high: int, got: NDArray[np.generic]) -> Compared:
    """Results `got` against the exact ones. Fails where a result differs whose v is not near a boundary."""
    shifted, whole = 2 * v.numerators + v.denominator, 2 * v.denominator
    exact = np.clip(shifted // whole + zp, low, high).astype(np.int64)
    rest = shifted % whole
    near = np.minimum(rest, whole - rest) <= int(reach * whole)
    difference = np.abs(got.astype(np.int64) - exact)
    assert not (difference[~near.astype(bool)]).any(), "a result differs although its exact value is near no boundary"
    return Compared(
        difference.size, int((difference > 0).sum()), int(difference.max(initial=0)), int(near.sum()), float(reach)
    )


def tensors(program: Program, call: Call) -> list[Tensor]:
    """The tensors of a call, its inputs first."""
    return [program.tensors[name] for name in (*call.inputs, call.output)]


def weight_scales(call: Call) -> tuple[Fraction, ...]:
    """What a step of the weights of each channel of a linear call is worth."""
    assert call.proof is not None
    assert call.proof.weight_scale is not None
    return call.proof.weight_scale


def linear_channel(call: Call, x: Tensor, y: Tensor, channel: int) -> Compared:
    """Every accumulator of the proven interval of one channel against s_x * s_w / s_y, which its multiplier equals."""
    assert call.proof is not None
    assert call.proof.acc is not None
    ratio, mult = weight_scales(call)[channel] * x.ratio / y.ratio, int(call.consts["mult"][channel])
    return brute(*call.proof.acc[channel], ratio, mult, call.params, y.zero_point, Fraction(0))


def pool(call: Call, x: Tensor, y: Tensor) -> Compared:
    """Every sum that a global or windowed average can have, per divisor n, against s_x / (s_y * n)."""
    p = call.params
    assert call.proof is not None
    assert call.proof.acc is not None
    low, high = hull(call.proof.acc)
    if call.op == "gap":
        divisors, mults = [p.in_h * p.in_w], [p.mult]
    else:
        divisors, mults = call.consts["counts"].tolist(), call.consts["mult"].tolist()
    found = Compared()
    for n, mult in zip(divisors, mults, strict=True):
        least, most = max(low, n * (S8_MIN - p.zp_in)), min(high, n * (S8_MAX - p.zp_in))
        bound = pool_bound(max(-least, most), Shifts(p.acc_lshift, p.out_rshift))
        found += brute(least, most, x.ratio / y.ratio / n, mult, p, y.zero_point, bound)
    return found


def pool_bound(largest: int, shifts: Shifts) -> Fraction:
    """What rounding a multiplier can move a result by: half a unit of it, times the largest sum."""
    return largest * shifts.ratio(1) / 2


def brute(low: int, high: int, ratio: Fraction, mult: int, p: Any, zp: int, reach: Fraction) -> Compared:
    """Every accumulator in [low, high], requantised with Params `p` and a multiplier, against an exact ratio."""
    shifts, found = Shifts(p.acc_lshift, p.out_rshift), Compared()
    for start in range(low, high + 1, PIECE):
        acc = np.arange(start, min(start + PIECE, high + 1))
        got = requantise(acc, mult, shifts, p.out_c, p.act_min, p.act_max)
        found += compare(rational([(acc, ratio)]), reach, zp, p.act_min, p.act_max, got)
    return found


def pairs(call: Call, a: Tensor, b: Tensor, y: Tensor) -> Compared:
    """All 65,536 pairs of values of an Add against the exact real sum."""
    p, first, second = call.params, *(grid.reshape(1, 1, 1, -1) for grid in np.meshgrid(BYTES, BYTES, indexing="ij"))
    got = ops.get("add").evaluate(call, [first, second], (1, 1, first.size))
    real = rational([(first - a.zero_point, a.ratio / y.ratio), (second - b.zero_point, b.ratio / y.ratio)])
    return compare(real, sum_bound(a, b, p.sum_rshift), y.zero_point, p.act_min, p.act_max, got)


def sum_bound(a: Tensor, b: Tensor, rshift: int) -> Fraction:
    """What rounding both multipliers can move a sum by: half a unit of 2^-k, times the largest |a - zp| + |b - zp|."""
    largest = sum(max(S8_MAX - tensor.zero_point, tensor.zero_point - S8_MIN) for tensor in (a, b))
    return largest * Fraction(1, 1 << (rshift + 1))


def linear_channels(program: Program) -> Iterator[tuple[Call, int]]:
    """Every output channel of every call with constant weights."""
    for call in program.calls:
        if isinstance(ops.get(call.op), Linear):
            yield from ((call, channel) for channel in range(len(call.consts["bias"])))
