# SPDX-License-Identifier: Apache-2.0
"""Any function of one s8 value, as a table of 256 results, requantisation included.

Built in decimal or rational arithmetic from the exact function, so that no C library can change a bit of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eightbit.ir import functions
from eightbit.ir.cfields import S16
from eightbit.ir.fixed import S8_MAX, S8_MIN, Int8, round_half_up
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.ties import Float
from eightbit.ops.opdef import Interval, OpDef
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params:
    w: S16
    ch: S16
    function: str


def table(function: str, x: Tensor, y: Tensor) -> NDArray[np.int8]:
    """y for x = -128 .. 127: sat(floor(f(scale * (x - zp)) / scale_y + zp_y + 1/2))."""
    steps = _steps(function, x.ratio, y.ratio, range(S8_MIN - x.zero_point, S8_MAX + 1 - x.zero_point))
    return np.array([min(S8_MAX, max(S8_MIN, value + y.zero_point)) for value in steps], np.int8)


@lru_cache(maxsize=1000)  # 10 ms each, and a compilation lowers a network several times
def _steps(function: str, x: Fraction, y: Fraction, centred: range) -> tuple[int, ...]:
    """f(x * q) in steps of y, for scales x and y."""
    applied = functions.known(function)
    with localcontext() as context:
        context.prec = 40
        return tuple(_step(applied, x, y, q) for q in centred)


def _step(applied: functions.Applied, x: Fraction, y: Fraction, q: int) -> int:
    """Exact, ties included, where the function is rational there; scales are float32 values, so Decimal has them."""
    exact = applied.fraction(x * q)
    if exact is not None:
        return round_half_up(exact / y)
    real = applied.decimal(Decimal(float(x)) * q) / Decimal(float(y))
    return int((real + Decimal("0.5")).to_integral_value("ROUND_FLOOR"))


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
        if functions.read(call.params.function) is None:
            found.append(f"unknown function {call.params.function!r}")
        return found

    def real(self, call: Call, inputs: Sequence[Float]) -> Float:
        return functions.known(call.params.function).floats(inputs[0])

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        y = functions.known(call.params.function).onnx(graph, graph.real(call.inputs[0]))
        graph.define(call.output, graph.rounded(call, y))


OP = Lut()
