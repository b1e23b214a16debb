# SPDX-License-Identifier: Apache-2.0
"""Functions of one value, as tables."""

from __future__ import annotations

import math
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


def leaky_relu(x: Fraction, alpha: Fraction) -> Fraction:
    return x * (alpha if x < 0 else 1)


def hard_sigmoid(x: Fraction, alpha: Fraction, beta: Fraction) -> Fraction:
    line = alpha * x + beta
    return Fraction(0) if line < 0 else Fraction(1) if line > 1 else line


def elu(x: Decimal, alpha: Decimal) -> Decimal:
    return max(x, Decimal(0)) + alpha * (min(x, Decimal(0)).exp() - 1)


def softplus(x: Decimal) -> Decimal:
    return (1 + x.exp()).ln() if x < 100 else x + (-x).exp()


def gelu(x: Decimal) -> Decimal:
    """x times the normal distribution function: the continued fraction of its tail, or the series of its middle."""
    z = abs(x)
    density = (-z * z / 2).exp() / (8 * quarter_of_pi()).sqrt()
    if z > 8:
        fraction = z
        for k in range(400, 0, -1):
            fraction = z + k / fraction
        return x - x * density / fraction if x > 0 else x * density / fraction
    term, total, n = z, z, 0
    while term > Decimal(10) ** -DIGITS:
        n += 1
        term *= z * z / (2 * n + 1)
        total += term
    return x * (Decimal("0.5") + (density * total).copy_sign(x))


def quarter_of_pi() -> Decimal:
    """By Machin's formula."""
    return 4 * arctan_of_inverse(5) - arctan_of_inverse(239)


def arctan_of_inverse(n: int) -> Decimal:
    power, total, k = Decimal(1) / n, Decimal(0), 0
    while abs(power) > Decimal(10) ** -DIGITS:
        total += power / (2 * k + 1)
        power, k = -power / (n * n), k + 1
    return total


DECIMAL: dict[str, Callable[..., Decimal]] = {
    "Sigmoid": sigmoid,
    "Tanh": tanh,
    "Elu": elu,
    "Selu": lambda x, alpha, gamma: gamma * elu(x, alpha),
    "Celu": lambda x, alpha: x if x > 0 else alpha * ((x / alpha).exp() - 1),
    "Softplus": softplus,
    "Silu": lambda x: x * sigmoid(x),
    "Gelu": gelu,
}
# Where a function is rational, ties are exact; None elsewhere.
RATIONAL: dict[str, Callable[..., Fraction | None]] = {
    "Elu": lambda x, alpha: x if x > 0 else None,
    "Selu": lambda x, alpha, gamma: x * gamma if x > 0 else None,
    "Celu": lambda x, alpha: x if x > 0 else None,
    "HardSwish": hard_swish,
    "LeakyRelu": leaky_relu,
    "HardSigmoid": hard_sigmoid,
    "Softsign": lambda x: x / (1 + x) if x > 0 else x / (1 - x),
}
PARAMETERS = {"LeakyRelu": 1, "Elu": 1, "Selu": 2, "Celu": 1, "HardSigmoid": 2}


def parts(function: str) -> tuple[str, list[float]] | None:
    """Name and parameters of a text such as LeakyRelu(0.1); None where there is no such function."""
    name, opened, rest = function.partition("(")
    try:
        values = [float(word) for word in rest[:-1].split(",")] if opened and rest.endswith(")") else []
    except ValueError:
        return None
    fits = len(values) == PARAMETERS.get(name, 0) and bool(opened) == bool(values) and all(map(math.isfinite, values))
    return (name, values) if fits and (name in DECIMAL or name in RATIONAL) else None


def entries(function: str, x: Tensor, y: Tensor) -> list[int]:
    """f(x) in steps of y for x = -128 .. 127, rounded half up."""
    found = parts(function)
    if found is None:
        raise ValueError(function)  # who asks has looked
    name, values = found
    reals = [x.scale * (q - x.zero_point) for q in range(S8_MIN, S8_MAX + 1)]
    with localcontext() as context:
        context.prec = DIGITS
        return [saturated(step(name, values, real, y.scale) + y.zero_point) for real in reals]


def step(name: str, values: list[float], x: Fraction, scale: Fraction) -> int:
    """A function of x in steps of `scale`, rounded half up, in the current decimal context."""
    exact = RATIONAL[name](x, *map(Fraction, values)) if name in RATIONAL else None
    if exact is not None:
        return half_up(exact / scale)
    real = DECIMAL[name](decimal(x), *map(Decimal, values)) / decimal(scale)
    return int((real + Decimal("0.5")).to_integral_value("ROUND_FLOOR"))


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    table = call.consts["table"].astype(np.int64)
    reached = [table[low + 128 : high + 129] for low, high in ins[0].pairs]
    low, high = (np.array([end(part) for part in reached], np.int64) for end in (np.min, np.max))
    return Derived(None, None, Interval(low, high))


def numbers(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    function = str(call.params["function"])
    known = parts(function) is not None
    if ledger.expect(MULTIPLIERS, call.name, known, f"function {function!r} is not known"):
        expected = np.array(entries(function, ins[0], out))
        ledger.arrays(TABLES, call.name, "table", call.consts["table"].astype(np.int64), expected)


OP = Operator(
    params="w ch function", consts={"table": "int8"}, facts=table_of_256, intervals=intervals, numbers=numbers
)
