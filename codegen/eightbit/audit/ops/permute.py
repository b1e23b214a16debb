# SPDX-License-Identifier: Apache-2.0
"""Another order of the elements in memory."""

from __future__ import annotations

import math

import numpy as np

from eightbit.audit.intervals import Derived, Interval, Ints
from eightbit.audit.model import Call, Program, Tensor
from eightbit.audit.operator import Facts, Operator


def facts(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    x = ins[0]
    extent, stride = call.numbers("extent"), call.numbers("stride")
    fits = len(extent) == len(stride) == 6 and math.prod(extent) == x.size == out.size and min(extent) >= 1
    yield fits, "its digits do not count the elements of input and output"
    yield out.shape[1:] == (call.number("out_w"), call.number("out_ch")), "params are not for its output"
    if fits:
        yield bool((np.sort(walk(call)) == np.arange(x.size)).all()), "it does not read every element once"


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    elements, source = ins[0].by_element(program.ins(call)[0]), walk(call)
    moved = Interval(elements.low[source], elements.high[source])
    return Derived(None, None, moved.by_channel(program.tensors[call.name]))


def walk(call: Call) -> Ints:
    """The input position of every output element of a permute."""
    index = np.zeros(1, np.int64)
    for extent, stride in zip(call.numbers("extent"), call.numbers("stride"), strict=True):
        index = (index[:, None] + np.arange(extent, dtype=np.int64) * stride).ravel()
    return index


OP = Operator(params="out_w out_ch extent stride", facts=facts, intervals=intervals, same_scale=True)
