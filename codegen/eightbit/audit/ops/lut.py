# SPDX-License-Identifier: Apache-2.0
"""Functions of one value, as tables."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np

from eightbit.audit.intervals import Derived, Interval
from eightbit.audit.model import S8_MAX, S8_MIN, Call, Ledger, Program, Tensor
from eightbit.audit.operator import MULTIPLIERS, TABLES, Operator, table_of_256
from eightbit.audit.tables import DIGITS, decimal, half_up, saturated


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp()) if x >= 0 else x.exp() / (1 + x.exp())


def tanh(x: Decimal) -> Decimal:
    return 2 * sigmoid(2 * x) - 1


def hard_swish(x: Fraction) -> Fraction:
    return Fraction(0) if x <= -3 else x if x >= 3 else (x * x + 3 * x) / 6


DECIMAL: dict[str, Callable[[Decimal], Decimal]] = {"Sigmoid": sigmoid, "Tanh": tanh}
RATIONAL: dict[str, Callable[[Fraction], Fraction]] = {"HardSwish": hard_swish}


def entries(function: str, x: Tensor, y: Tensor) -> list[int]:
    """f(x) in steps of y for x = -128 .. 127, rounded half up."""
    if function in RATIONAL:
        exact = (RATIONAL[function](x.scale * (q - x.zero_point)) for q in range(S8_MIN, S8_MAX + 1))
        return [saturated(half_up(value / y.scale) + y.zero_point) for value in exact]
    with localcontext() as context:
        context.prec = DIGITS
        real = DECIMAL[function]
        values = (real(decimal(x.scale * (q - x.zero_point))) / decimal(y.scale) for q in range(S8_MIN, S8_MAX + 1))
        half = Decimal("0.5")
        return [saturated(int((v + half).to_integral_value("ROUND_FLOOR")) + y.zero_point) for v in values]


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    table = call.consts["table"].astype(np.int64)
    reached = [table[low + 128 : high + 129] for low, high in ins[0].pairs]
    low, high = (np.array([end(part) for part in reached], np.int64) for end in (np.min, np.max))
    return Derived(None, None, Interval(low, high))


def numbers(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    function = str(call.params["function"])
    known = function in DECIMAL or function in RATIONAL
    if ledger.expect(MULTIPLIERS, call.name, known, f"function {function!r} is not known"):
        expected = np.array(entries(function, ins[0], out))
        ledger.arrays(TABLES, call.name, "table", call.consts["table"].astype(np.int64), expected)


OP = Operator(
    params="w ch function", consts={"table": "int8"}, facts=table_of_256, intervals=intervals, numbers=numbers
)
