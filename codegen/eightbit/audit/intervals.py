# SPDX-License-Identifier: Apache-2.0
"""The values that accumulators and tensors can take, per channel: what their derivations share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.model import S8_MAX, S8_MIN, Call, Pairs, Tensor

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Interval:
    """Lowest and highest values, one each per channel."""

    low: Ints
    high: Ints

    @property
    def pairs(self) -> Pairs:
        return list(zip(self.low.tolist(), self.high.tolist(), strict=True))

    def __sub__(self, zero_point: int) -> Interval:
        return Interval(self.low - zero_point, self.high - zero_point)

    def times(self, count: int) -> Interval:
        return Interval(self.low * count, self.high * count)

    def by_element(self, tensor: Tensor) -> Interval:
        """The interval of every element, in memory order."""
        return Interval(self.low[tensor.channel_of], self.high[tensor.channel_of])

    def by_channel(self, tensor: Tensor) -> Interval:
        """From elements to channels: the hull of each channel's."""
        low = np.full(tensor.shape[2], np.iinfo(np.int64).max)
        high = np.full(tensor.shape[2], np.iinfo(np.int64).min)
        np.minimum.at(low, tensor.channel_of, self.low)
        np.maximum.at(high, tensor.channel_of, self.high)
        return Interval(low, high)


@dataclass(frozen=True)
class Derived:
    """What a call's inputs allow: its accumulators (None: it has none), the largest |partial sum|, its output."""

    acc: Interval | None
    partial: Ints | None
    out: Interval


def hull(intervals: list[Interval]) -> Interval:
    return Interval(np.min([part.low for part in intervals], axis=0), np.max([part.high for part in intervals], axis=0))


def whole(channels: int) -> Interval:
    return Interval(np.full(channels, S8_MIN, np.int64), np.full(channels, S8_MAX, np.int64))


def clamped(call: Call, values: Interval) -> Interval:
    low, high = call.number("act_min"), call.number("act_max")
    return Interval(np.clip(values.low, low, high), np.clip(values.high, low, high))


def requantised(call: Call, acc: Interval, mult: Any) -> Interval:
    """Multipliers are not negative, so that ends go to ends. Python integers: a faulty build may leave 64 bits."""
    lshift, rshift, out_c = call.number("acc_lshift"), call.number("out_rshift"), call.number("out_c")
    mults = np.broadcast_to(np.asarray(mult, object), acc.low.shape)

    def ends(values: Ints) -> Ints:
        shifted = [(((int(a) << lshift) * int(m) >> 32) + out_c) >> rshift for a, m in zip(values, mults, strict=True)]
        limit = 2**40
        return np.array([min(limit, max(-limit, value)) for value in shifted], np.int64)

    return clamped(call, Interval(ends(acc.low), ends(acc.high)))


def farthest(acc: Interval) -> Ints:
    return np.maximum(np.abs(acc.low), np.abs(acc.high))
