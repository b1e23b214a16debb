# SPDX-License-Identifier: Apache-2.0
"""The values that accumulators and tensors can take, per channel, re-derived from weights and clamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.model import S8_MAX, S8_MIN, Call, Pairs, Program, Tensor
from eightbit.audit.windows import averages, patterns

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


def derive(program: Program) -> dict[str, Derived]:
    """Every call's intervals, in the order of the calls."""
    reach = {port.tensor: whole(program.tensors[port.tensor].shape[2]) for port in program.inputs}
    found = {}
    for call in program.calls:
        found[call.name] = RULES[call.op](call, program, [reach[name] for name in call.inputs])
        reach[call.name] = found[call.name].out
    return found


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


def linear(call: Call, program: Program, ins: list[Interval]) -> Derived:
    """acc = bias + sum((x - zp) * w); a tap outside the image adds nothing."""
    x, out = program.ins(call)[0], program.tensors[call.name]
    terms = ins[0] - call.number("zp_in")
    bias = call.consts["bias"].astype(np.int64)
    if call.op == "fc":
        elements = terms.by_element(x)
        acc, absolute = summed(call.consts["weights"].astype(np.int64), elements)
    else:
        acc, absolute = windowed(call, out, terms)
    acc = Interval(acc.low + bias, acc.high + bias)
    return Derived(acc, absolute + np.abs(bias), requantised(call, acc, call.consts["mult"]))


def summed(weights: Ints, terms: Interval) -> tuple[Interval, Ints]:
    """Interval of sum(w * x) over the last axis, and sum(|w| * max|x|)."""
    at_low, at_high = weights * terms.low, weights * terms.high
    farthest = np.maximum(np.abs(at_low), np.abs(at_high))
    return Interval(np.minimum(at_low, at_high).sum(-1), np.maximum(at_low, at_high).sum(-1)), farthest.sum(-1)


def windowed(call: Call, out: Tensor, terms: Interval) -> tuple[Interval, Ints]:
    """conv and depthwise: the hull over every set of taps that lies inside the image somewhere."""
    weights, channels = call.consts["weights"].astype(np.int64), out.shape[2]
    if call.op == "depthwise":
        weights = weights.transpose(2, 0, 1)[..., None]
    depth = weights.shape[3]
    group = np.arange(channels) // (channels // (call.number("in_ch") // depth))
    reads = group[:, None] * depth + np.arange(depth)
    local = Interval(terms.low[reads][:, None, None], terms.high[reads][:, None, None])
    per_tap, absolute = summed(weights, local)  # [channels, kh, kw]
    found = [
        Interval(per_tap.low[:, taps].sum(axis=1), per_tap.high[:, taps].sum(axis=1)) for taps in patterns(call, out)
    ]
    return hull(found), absolute.sum(axis=(1, 2))


def gap(call: Call, program: Program, ins: list[Interval]) -> Derived:
    acc = (ins[0] - call.number("zp_in")).times(call.number("in_h") * call.number("in_w"))
    return Derived(acc, farthest(acc), requantised(call, acc, call.number("mult")))


def farthest(acc: Interval) -> Ints:
    return np.maximum(np.abs(acc.low), np.abs(acc.high))


def avgpool(call: Call, program: Program, ins: list[Interval]) -> Derived:
    terms, counts = ins[0] - call.number("zp_in"), call.consts["counts"].tolist()
    mults = dict(zip(counts, call.consts["mult"].tolist(), strict=True))
    accs, outs = [], []
    for summed_cells, counted in averages(call, program.tensors[call.name]):
        accs.append(terms.times(summed_cells))
        outs.append(requantised(call, accs[-1], mults[counted]))
    acc = hull(accs)
    return Derived(acc, farthest(acc), hull(outs))


def maxpool(call: Call, program: Program, ins: list[Interval]) -> Derived:
    parts = [ins[0] if taps.any() else lowest(ins[0]) for taps in patterns(call, program.tensors[call.name])]
    return Derived(None, None, clamped(call, hull(parts)))


def lowest(values: Interval) -> Interval:
    """What a maximum over no cell at all gives."""
    low = np.full_like(values.low, S8_MIN)
    return Interval(low, low)


def add(call: Call, program: Program, ins: list[Interval]) -> Derived:
    a, b = (
        Interval(np.minimum(x.low * m, x.high * m), np.maximum(x.low * m, x.high * m))
        for x, m in zip(ins, (call.number("mult_a"), call.number("mult_b")), strict=True)
    )
    out_c, shift = call.number("sum_c"), call.number("sum_rshift")
    acc = Interval(a.low + b.low + out_c, a.high + b.high + out_c)
    out = clamped(call, Interval(acc.low >> shift, acc.high >> shift))
    return Derived(None, farthest(a) + farthest(b) + abs(out_c), out)


def clamp(call: Call, program: Program, ins: list[Interval]) -> Derived:
    return Derived(None, None, clamped(call, ins[0]))


def lut(call: Call, program: Program, ins: list[Interval]) -> Derived:
    table = call.consts["table"].astype(np.int64)
    reached = [table[low + 128 : high + 129] for low, high in ins[0].pairs]
    low, high = (np.array([end(part) for part in reached], np.int64) for end in (np.min, np.max))
    return Derived(None, None, Interval(low, high))


def softmax(call: Call, program: Program, ins: list[Interval]) -> Derived:
    return Derived(None, None, whole(program.tensors[call.name].shape[2]))


def moved(call: Call, program: Program, ins: list[Interval]) -> Derived:
    """reshape and permute: element by element."""
    x, out = program.ins(call)[0], program.tensors[call.name]
    elements = ins[0].by_element(x)
    if call.op == "permute":
        source = walk(call)
        elements = Interval(elements.low[source], elements.high[source])
    return Derived(None, None, elements.by_channel(out))


def walk(call: Call) -> Ints:
    """The input position of every output element of a permute."""
    index = np.zeros(1, np.int64)
    for extent, stride in zip(call.numbers("extent"), call.numbers("stride"), strict=True):
        index = (index[:, None] + np.arange(extent, dtype=np.int64) * stride).ravel()
    return index


RULES: Mapping[str, Any] = {
    "conv": linear, "depthwise": linear, "fc": linear, "gap": gap, "avgpool": avgpool, "maxpool": maxpool, "add": add,
    "clamp": clamp, "lut": lut, "softmax": softmax, "reshape": moved, "permute": moved,
}  # fmt: skip
