# SPDX-License-Identifier: Apache-2.0
"""Any function of one s8 value, as a table of 256 results, requantisation included.

Built in decimal or rational arithmetic from the exact function, so that no C library can change a bit of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from eightbit.cfields import S16
from eightbit.fixed import S8_MAX, S8_MIN, Int8, round_half_up
from eightbit.ops.opdef import Interval, OpDef
from eightbit.program import Call, Shape, Tensor
from eightbit.qdq import QdqGraph
from eightbit.ties import Float


@dataclass(frozen=True)
class Params:
    w: S16
    ch: S16
    function: str


def sigmoid(x: Decimal) -> Decimal:
    decay = (-abs(x)).exp()  # of a negative number: never too large
    return (1 if x >= 0 else decay) / (1 + decay)


def tanh(x: Decimal) -> Decimal:
    decay = (-2 * abs(x)).exp()
    return ((1 - decay) / (1 + decay)).copy_sign(x)


def hard_swish(x: Fraction) -> Fraction:
    return x * min(max(x + 3, Fraction(0)), Fraction(6)) / 6


DECIMAL: dict[str, Callable[[Decimal], Decimal]] = {"Sigmoid": sigmoid, "Tanh": tanh}
RATIONAL: dict[str, Callable[[Fraction], Fraction]] = {"HardSwish": hard_swish}  # exact, ties included
REALS: dict[str, Callable[[Float], Float]] = {
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
}


def table(function: str, x: Tensor, y: Tensor) -> NDArray[np.int8]:
    """y for x = -128 .. 127: sat(floor(f(scale * (x - zp)) / scale_y + zp_y + 1/2))."""
    centred = range(S8_MIN - x.zero_point, S8_MAX + 1 - x.zero_point)
    if function in RATIONAL:
        steps = [round_half_up(RATIONAL[function](x.ratio * q) / y.ratio) for q in centred]
    else:
        steps = _decimal_steps(DECIMAL[function], x.scale, y.scale, centred)
    return np.array([min(S8_MAX, max(S8_MIN, value + y.zero_point)) for value in steps], np.int8)


def _decimal_steps(
    function: Callable[[Decimal], Decimal], scale_x: float, scale_y: float, centred: Sequence[int]
) -> list[int]:
    with localcontext() as context:
        context.prec = 40
        x, y, half = Decimal(scale_x), Decimal(scale_y), Decimal("0.5")
        return [int((function(x * q) / y + half).to_integral_value("ROUND_FLOOR")) for q in centred]


class Lut(OpDef):
    """table s8 [256]: the result for x = -128 first."""

    name = "lut"
    Params = Params
    channelwise = True
    consts = {"table": "int8"}
    bits = "y = table[x + 128]"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        return np.asarray(call.consts["table"][inputs[0].astype(np.int64) + 128], np.int8)

    def intervals(
        self, call: Call, ranges: Sequence[Interval], ins: Sequence[Tensor], out: Tensor
    ) -> tuple[Interval | None, Interval]:
        table = call.consts["table"].astype(np.int64)
        reached = [table[low - S8_MIN : high - S8_MIN + 1] for low, high in ranges[0].pairs()]
        return None, Interval(np.array([y.min() for y in reached]), np.array([y.max() for y in reached]))

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return ins[0].shape

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        found = []
        if ins[0].shape[1:] != (call.params.w, call.params.ch):
            found.append(f"params are for rows of {call.params.w}x{call.params.ch}")
        if call.consts["table"].shape != (256,):
            found.append("the table must have 256 entries")
        if call.params.function not in REALS:
            found.append(f"unknown function {call.params.function!r}")
        return found

    def real(self, call: Call, inputs: Sequence[Float]) -> Float:
        return REALS[call.params.function](inputs[0])

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        y = graph.node(call.params.function, graph.real(call.inputs[0]))
        graph.define(call.output, graph.rounded(call, y))


OP = Lut()
