# SPDX-License-Identifier: Apache-2.0
"""Softmax over the channels of each pixel, in 32-bit unsigned integers; output scale 1/256, zero point -128.

    e[d] = round(2^min(23, 31 - ceil(log2 ch)) * exp(-d * scale)),  S = sum(e[max - x])
    y = sat((e[max - x] * 256 + S / 2) / S - 128)
S <= 2^31 because of the exponent, and e * 256 <= 2^31, so no sum leaves 32 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eightbit.fixed import Int8
from eightbit.ops.opdef import S16, OpDef, Rows
from eightbit.program import Call, Shape, Tensor

if TYPE_CHECKING:
    from eightbit.export import QdqGraph

OUT_SCALE, OUT_ZERO_POINT = 1 / 256, -128


@dataclass(frozen=True)
class Params:
    w: S16
    ch: S16


def exp_bits(channels: int) -> int:
    """Fraction bits of the table: the most for which a sum over `channels` fits 32 bits."""
    return min(23, 31 - max(0, channels - 1).bit_length())


def exp_table(scale: float, channels: int) -> NDArray[np.uint32]:
    """e[0..255]; in decimal arithmetic, so that no C library can change a bit of it."""
    with localcontext() as context:
        context.prec = 40
        one = Decimal(1 << exp_bits(channels))
        step = Decimal(scale)
        table = [int((one * (-step * d).exp() + Decimal("0.5")).to_integral_value("ROUND_FLOOR")) for d in range(256)]
    return np.array(table, np.uint32)


class Softmax(OpDef):
    """table u32 [256]."""

    name = "softmax"
    Params = Params
    consts = {"table": "uint32"}
    bits = "e = table[max - x]; y = sat((e * 256 + S / 2) / S - 128), S = sum(e)"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        x = inputs[0].astype(np.int64)
        e = call.consts["table"].astype(np.int64)[x.max(axis=3, keepdims=True) - x]
        total = e.sum(axis=3, keepdims=True)
        return np.asarray(np.minimum((e * 256 + total // 2) // total - 128, 127), np.int8)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return ins[0].shape

    def rows(self, call: Call) -> Rows:
        return Rows()

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        found = []
        if ins[0].shape[1:] != (call.params.w, call.params.ch):
            found.append(f"params are for rows of {call.params.w}x{call.params.ch}")
        if (out.scale, out.zero_point) != (OUT_SCALE, OUT_ZERO_POINT):
            found.append("the output must have scale 1/256 and zero point -128")
        if call.consts["table"].shape != (256,):
            found.append("the table must have 256 entries")
        return found

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        graph.unary(call, "Softmax", axis=-1)


OP = Softmax()
