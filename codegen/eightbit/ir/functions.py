# SPDX-License-Identifier: Apache-2.0
"""Functions of one number that tables hold: exact in decimal or rational arithmetic, and as float ONNX.

A function with attributes is spelled with their values, in the order of its Function: `LeakyRelu(0.1)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import numpy as np

from eightbit.ir.ties import Float
from eightbit.qdq import QdqGraph

ONE = Fraction(1)
PI = Decimal("3.14159265358979323846264338327950288419716939937511")


@dataclass(frozen=True)
class Function:
    """`exact(x, *attributes)` in fractions, where the result is rational, ties included; it is None elsewhere, and
    there `real` is the function in the current decimal context.

    `floats` is the same of arrays. ONNX attributes by name, with their defaults; `onnx` builds what no single operator
    of the exported opset is.
    """

    floats: Callable[..., Float]
    real: Callable[..., Decimal] | None = None
    exact: Callable[..., Fraction | None] | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)
    onnx: Callable[[QdqGraph, str], str] | None = None


@dataclass(frozen=True)
class Applied:
    """A function with the values of its attributes."""

    name: str
    function: Function
    values: tuple[float, ...]

    def fraction(self, x: Fraction) -> Fraction | None:
        """The function of x where it is rational; None where it may not be."""
        return None if self.function.exact is None else self.function.exact(x, *map(Fraction, self.values))

    def decimal(self, x: Decimal) -> Decimal:
        assert self.function.real is not None  # else it is rational
        return self.function.real(x, *map(Decimal, self.values))

    def floats(self, x: Float) -> Float:
        with np.errstate(over="ignore"):
            return np.asarray(self.function.floats(x, *self.values))

    def onnx(self, graph: QdqGraph, value: str) -> str:
        """The function of a value, appended to a graph."""
        if self.function.onnx is not None:
            return self.function.onnx(graph, value)
        return graph.node(self.name, value, **dict(zip(self.function.attributes, self.values, strict=True)))


def spelled(name: str, *values: float) -> str:
    """The name of a function with its attributes."""
    return f"{name}({','.join(map(repr, values))})" if values else name


def read(text: str) -> Applied | None:
    """What `spelled` wrote; None if there is no such function."""
    name, _, rest = text.removesuffix(")").partition("(")
    function = FUNCTIONS.get(name)
    try:
        values = tuple(map(float, rest.split(","))) if rest else ()
    except ValueError:
        return None
    if function is None or len(values) != len(function.attributes) or spelled(name, *values) != text:
        return None
    return Applied(name, function, values) if all(map(math.isfinite, values)) else None


def known(text: str) -> Applied:
    """The same, for who knows that there is one."""
    found = read(text)
    assert found is not None
    return found


def sigmoid(x: Decimal) -> Decimal:
    decay = (-abs(x)).exp()  # of a negative number: never too large
    return (1 if x >= 0 else decay) / (1 + decay)


def tanh(x: Decimal) -> Decimal:
    decay = (-2 * abs(x)).exp()
    return ((1 - decay) / (1 + decay)).copy_sign(x)


def leaky_relu(x: Fraction, alpha: Fraction) -> Fraction:
    return x if x >= 0 else alpha * x


def hard_sigmoid(x: Fraction, alpha: Fraction, beta: Fraction) -> Fraction:
    return min(Fraction(1), max(Fraction(0), alpha * x + beta))


def hard_swish(x: Fraction) -> Fraction:
    return x * min(max(x + 3, Fraction(0)), Fraction(6)) / 6


def softsign(x: Fraction) -> Fraction:
    return x / (1 + abs(x))


def elu(x: Decimal, alpha: Decimal) -> Decimal:
    return x if x >= 0 else alpha * (x.exp() - 1)


def selu(x: Decimal, alpha: Decimal, gamma: Decimal) -> Decimal:
    return gamma * elu(x, alpha)


def celu(x: Decimal, alpha: Decimal) -> Decimal:
    return x if x >= 0 else alpha * ((x / alpha).exp() - 1)


def straight(x: Fraction, alpha: Fraction, gamma: Fraction = ONE) -> Fraction | None:
    """The straight half of these three."""
    return gamma * x if x >= 0 else None


def softplus(x: Decimal) -> Decimal:
    return max(x, Decimal(0)) + (1 + (-abs(x)).exp()).ln()


def silu(x: Decimal) -> Decimal:
    return x * sigmoid(x)


def gelu(x: Decimal) -> Decimal:
    return x * (1 + erf(x / Decimal(2).sqrt())) / 2


def erf(x: Decimal) -> Decimal:
    """2 / sqrt(pi) * exp(-x^2) * sum(2^n x^(2n+1) / (1 * 3 * ... * (2n+1))): no term cancels another."""
    if abs(x) > 12:
        return Decimal(1).copy_sign(x)  # less than 1e-60 away
    term = total = x
    n = 0
    while total + term != total:
        n += 1
        term = term * 2 * x * x / (2 * n + 1)
        total += term
    return 2 / PI.sqrt() * (-x * x).exp() * total


def silu_onnx(graph: QdqGraph, x: str) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def gelu_onnx(graph: QdqGraph, x: str) -> str:
    """x / 2 + x / 2 * erf(x / sqrt(2)): the operator Gelu is younger than the exported opset."""
    half = graph.node("Mul", x, graph.number("half", 0.5))
    inner = graph.node("Erf", graph.node("Mul", x, graph.number("sqrt_half", 0.5**0.5)))
    return graph.node("Add", half, graph.node("Mul", half, inner))


def float_sigmoid(x: Float) -> Float:
    return np.asarray(1 / (1 + np.exp(-x)))


def float_elu(x: Float, alpha: float) -> Float:
    return np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0)))


def float_gelu(x: Float) -> Float:
    return np.array([v / 2 * math.erfc(-v / math.sqrt(2)) for v in x.ravel()]).reshape(x.shape)


FUNCTIONS = {
    "Sigmoid": Function(float_sigmoid, sigmoid),
    "Tanh": Function(np.tanh, tanh),
    "HardSwish": Function(lambda x: x * np.clip(x + 3, 0, 6) / 6, exact=hard_swish),
    "LeakyRelu": Function(
        lambda x, alpha: np.where(x >= 0, x, alpha * x), exact=leaky_relu, attributes={"alpha": 0.01}
    ),
    "HardSigmoid": Function(
        lambda x, alpha, beta: np.clip(alpha * x + beta, 0, 1),
        exact=hard_sigmoid,
        attributes={"alpha": 0.2, "beta": 0.5},
    ),
    "Softsign": Function(lambda x: x / (1 + np.abs(x)), exact=softsign),
    "Elu": Function(float_elu, elu, straight, {"alpha": 1.0}),
    "Selu": Function(
        lambda x, alpha, gamma: gamma * float_elu(x, alpha),
        selu,
        straight,
        {"alpha": 1.6732631921768188, "gamma": 1.0507010221481323},
    ),
    "Celu": Function(lambda x, alpha: float_elu(x / alpha, 1.0) * alpha, celu, straight, {"alpha": 1.0}),
    "Softplus": Function(lambda x: np.logaddexp(x, 0), softplus),
    "Silu": Function(lambda x: x * float_sigmoid(x), silu, onnx=silu_onnx),
    "Gelu": Function(float_gelu, gelu, onnx=gelu_onnx),
}
