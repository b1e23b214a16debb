# SPDX-License-Identifier: Apache-2.0
"""What the auditor knows of operators with weights: fc and convolutions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.intervals import Derived, Interval, Ints, hull, requantised
from eightbit.audit.model import Call, Ledger, Tensor
from eightbit.audit.operator import MULTIPLIERS, Facts
from eightbit.audit.windows import patterns

CONSTS = {"weights": "int8", "bias": "int32", "mult": "int32"}


def biased(call: Call, acc: Interval, absolute: Ints) -> Derived:
    """acc = bias + sum((x - zp) * w), for intervals of the sums, and of sums of absolute products."""
    bias = call.consts["bias"].astype(np.int64)
    acc = Interval(acc.low + bias, acc.high + bias)
    return Derived(acc, absolute + np.abs(bias), requantised(call, acc, call.consts["mult"]))


def summed(weights: Ints, terms: Interval) -> tuple[Interval, Ints]:
    """Interval of sum(w * x) over the last axis, and sum(|w| * max|x|)."""
    at_low, at_high = weights * terms.low, weights * terms.high
    farthest = np.maximum(np.abs(at_low), np.abs(at_high))
    return Interval(np.minimum(at_low, at_high).sum(-1), np.maximum(at_low, at_high).sum(-1)), farthest.sum(-1)


def windowed(call: Call, out: Tensor, terms: Interval, weights: NDArray[Any]) -> Derived:
    """Weights [channels, kh, kw, depth]: the hull over every set of taps that lies inside the image somewhere.

    A tap outside the image adds nothing.
    """
    channels, depth = out.shape[2], weights.shape[3]
    group = np.arange(channels) // (channels // (call.number("in_ch") // depth))
    reads = group[:, None] * depth + np.arange(depth)
    local = Interval(terms.low[reads][:, None, None], terms.high[reads][:, None, None])
    per_tap, absolute = summed(weights.astype(np.int64), local)  # [channels, kh, kw]
    found = [
        Interval(per_tap.low[:, taps].sum(axis=1), per_tap.high[:, taps].sum(axis=1)) for taps in patterns(call, out)
    ]
    return biased(call, hull(found), absolute.sum(axis=(1, 2)))


def shapes(call: Call, weights: tuple[int, ...], channels: int) -> Facts:
    for role, shape in (("weights", weights), ("bias", (channels,)), ("mult", (channels,))):
        yield call.consts[role].shape == shape, f"{role} are {call.consts[role].shape}, the params read {shape}"


def window_facts(call: Call, x: Tensor, out: Tensor) -> Facts:
    """Of a convolution: its channels and groups."""
    n = call.number
    ins, outs, groups = n("in_ch"), n("out_ch"), n("groups")
    yield x.shape == (n("in_h"), n("in_w"), ins), f"params are not for its input of {x.shape}"
    yield out.shape[2] == outs, f"out_ch is not the {out.shape[2]} channels of its output"
    divides = groups >= 1 and ins % groups == 0 and outs % groups == 0
    yield divides, f"{ins} and {outs} channels do not split into {groups} groups"


def weight_scales(call: Call, ins: list[Tensor], y: Tensor, ledger: Ledger) -> None:
    """mult * 2^(l-32-k) is s_x * s_w / s_y exactly, with the weight scales that the program states."""
    mults = call.consts["mult"].tolist()
    step = Fraction(2) ** (call.number("acc_lshift") - 32 - call.number("out_rshift")) * y.scale / ins[0].scale
    if call.weight_scale is None:
        ledger.wrong(call.name, "no weight scales are stated, so that no multiplier can be proven")
        return
    if not ledger.equal(MULTIPLIERS, call.name, "the number of weight scales", len(call.weight_scale), len(mults)):
        return
    for channel, (mult, stated) in enumerate(zip(mults, call.weight_scale, strict=True)):
        text = f"multiplier {mult} of channel {channel} is a weight scale of {mult * step}, not of {stated}"
        ledger.expect(MULTIPLIERS, call.name, mult * step == stated, text)
