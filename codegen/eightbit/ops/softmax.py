# SPDX-License-Identifier: Apache-2.0
"""Softmax over the channels of each pixel, in 32-bit unsigned integers; output scale 2^-n, zero point -128.

    e[d] = round(2^min(31 - n, 31 - ceil(log2 ch)) * exp(-d * scale)),  S = sum(e[max - x])
    y = sat((e[max - x] * 2^n + S / 2) / S - 128)
S <= 2^31 because of the exponent, and e * 2^n <= 2^31, so no sum leaves 32 bits. n is 8, so that 1 is all but
reached, or more where no probability comes near 1/2: over many channels 1/256 would be too coarse a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.cfields import S16
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.ties import Float
from eightbit.ops.opdef import OpDef, Rows
from eightbit.qdq import QdqGraph

OUT_ZERO_POINT = -128
OUT_BITS, OUT_BITS_MAX = 8, 15


@dataclass(frozen=True)
class Params:
    w: S16
    ch: S16
    out_lshift: S16


def out_bits(largest: float) -> int:
    """n for outputs that were seen up to `largest`: there is room for twice as much, and for 1 wherever n is 8."""
    bits = OUT_BITS
    while bits < OUT_BITS_MAX and largest <= 2.0 ** (OUT_BITS - bits - 2):
        bits += 1
    return bits


def exp_bits(channels: int, out_lshift: int) -> int:
    """Fraction bits of the table: the most for which a sum over `channels`, and e * 2^n, fit 32 bits."""
    return 31 - max(out_lshift, max(0, channels - 1).bit_length())


def exp_table(scale: float, channels: int, out_lshift: int) -> NDArray[np.uint32]:
    """e[0..255]; in decimal arithmetic, so that no C library can change a bit of it."""
    with localcontext() as context:
        context.prec = 40
        one = Decimal(1 << exp_bits(channels, out_lshift))
        step = Decimal(scale)
        table = [int((one * (-step * d).exp() + Decimal("0.5")).to_integral_value("ROUND_FLOOR")) for d in range(256)]
    return np.array(table, np.uint32)


class Softmax(OpDef):
    """table u32 [256]."""

    name = "softmax"
    Params = Params
    consts = {"table": "uint32"}
    bits = "e = table[max - x]; y = sat((e * 2^n + S / 2) / S - 128), S = sum(e)"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        x = inputs[0].astype(np.int64)
        e = call.consts["table"].astype(np.int64)[x.max(axis=3, keepdims=True) - x]
        total = e.sum(axis=3, keepdims=True)
        return np.asarray(np.minimum(((e << call.params.out_lshift) + total // 2) // total - 128, 127), np.int8)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return ins[0].shape

    def rows(self, call: Call) -> Rows:
        return Rows()

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        found = []
        if ins[0].shape[1:] != (call.params.w, call.params.ch):
            found.append(f"params are for rows of {call.params.w}x{call.params.ch}")
        bits = call.params.out_lshift
        if not OUT_BITS <= bits <= OUT_BITS_MAX or (out.scale, out.zero_point) != (2.0**-bits, OUT_ZERO_POINT):
            found.append(f"the output must have scale 2^-{bits} and zero point {OUT_ZERO_POINT}")
        if call.consts["table"].shape != (256,):
            found.append("the table must have 256 entries")
        return found

    def real(self, call: Call, inputs: Sequence[Float]) -> Float:
        powers = np.exp(inputs[0] - inputs[0].max(axis=3, keepdims=True))
        return np.asarray(powers / powers.sum(axis=3, keepdims=True))

    def constants_off(self, call: Call) -> float:
        """Entries are off by 2^-(b+1) at most, so e / S by (1 + ch) times as much, and a step is 2^-n."""
        p = call.params
        return float((1 + p.ch) * 2.0 ** (p.out_lshift - exp_bits(p.ch, p.out_lshift) - 1))

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        y = graph.node("Softmax", graph.real(call.inputs[0]), axis=1)  # values are [1, C, H, W]
        graph.define(call.output, graph.rounded(call, y))


OP = Softmax()
