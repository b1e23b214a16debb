# SPDX-License-Identifier: Apache-2.0
"""One function per operator that appends it to a chain, and the table that says when and how often."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .chain import Chain
from .moves import flatten, reshape, squeeze, transpose, unsqueeze
from .windows import CHANNELS, average_pool, conv, global_average_pool, max_pool

# (min, max): weight. None: no bound on that side; in two of them zero lies outside the interval.
BOUNDS: dict[tuple[float | None, float | None], float] = {
    (0.0, 6.0): 6, (-1.0, 1.0): 3, (0.0, 1.0): 2, (-0.5, 3.0): 3, (None, 2.0): 2, (-1.0, None): 2,
    (0.0, None): 2, (0.2, 3.0): 0.5, (-3.0, -0.2): 0.5, (None, None): 0.3,
}  # fmt: skip


def gemm(c: Chain) -> None:
    """A is the chain; for transA a Transpose mostly comes first, else A's rows are summed over."""
    trans_a = not c.symbolic and c.chance(0.2) and (c.shape[0] > 1 or c.shape[1] <= 64)
    if trans_a and c.chance(0.7):
        c.append("Transpose", c.shape[::-1], perm=(1, 0))
    rows, inner = c.shape[::-1] if trans_a else c.shape
    columns, trans_b = c.integer(1, CHANNELS), c.chance(0.5)
    weights = c.scaled((columns, inner), inner, axis=0)
    consts = [c.floats(weights if trans_b else weights.T)]
    shapes: list[tuple[int, ...]] = [(columns,), (1, columns), (1,), (1, 1), ()]
    if not c.symbolic:
        shapes += [(rows, columns), (rows, 1)]
    if c.opset < 11 or c.chance(0.75):
        shape = shapes[0] if c.chance(0.5) else c.pick(shapes)
        consts.append(c.floats(c.bias(shape)))
    alpha = c.pick((None, 1.0, 0.5, 2.0, -0.75), (6, 1, 1, 1, 1))
    beta = c.pick((None, 1.0, 0.5, 2.0, 0.0), (6, 1, 1, 1, 0.5))
    spelled_a = 1 if trans_a else None
    spelled_b = int(trans_b) if trans_b or c.chance(0.3) else None
    c.append("Gemm", (rows, columns), consts, alpha=alpha, beta=beta, transA=spelled_a, transB=spelled_b)


def matmul(c: Chain) -> None:
    inner, columns = c.shape[-1], c.integer(1, CHANNELS)
    c.append("MatMul", (*c.shape[:-1], columns), [c.floats(c.scaled((inner, columns), inner, axis=1))])


def clip(c: Chain) -> None:
    low, high = c.pick(list(BOUNDS), list(BOUNDS.values()))
    if c.opset < 11:
        c.append("Clip", c.shape, min=low, max=high)
        return
    consts = ["" if bound is None else c.floats(bound) for bound in (low, high)]
    while consts and not consts[-1]:
        consts.pop()
    c.append("Clip", c.shape, consts)


def batch_normalization(c: Chain) -> None:
    n = c.shape[1]
    sign = c.pick((1.0, -1.0), (6, 1))
    scale = c.rng.uniform(0.5, 1.5, n)
    scale[0] *= sign
    statistics = (scale, c.bias([n]), c.bias([n]), c.rng.uniform(0.3, 2, n))
    consts = [c.floats(s) for s in statistics]
    epsilon, momentum = c.pick((None, 1e-3, 1e-5), (2, 1, 1)), c.pick((None, 0.9, 0.99), (3, 1, 1))
    mode = 0 if c.opset >= 14 and c.chance(0.3) else None
    c.append("BatchNormalization", c.shape, consts, epsilon=epsilon, momentum=momentum, training_mode=mode)


def softmax(c: Chain) -> None:
    """Below opset 13 the axes from `axis` on are one; from 13 on `axis` is the only one."""
    default = 1 if c.opset < 13 else -1
    axes = [a for a in range(1 if c.symbolic else 0, c.rank) if softmax_size(c, a) > 1]
    if not axes:
        c.append("Relu", c.shape)
        return
    axis = c.pick(axes)
    if not c.last and softmax_size(c, axis) > 32:
        c.append("Sigmoid", c.shape)  # mid-chain, many small shares would all round to 0
        return
    spelled = axis - c.rank if c.opset >= 11 and c.chance(0.3) else axis
    omitted = default % c.rank == axis and c.chance(0.5)
    c.append("Softmax", c.shape, axis=None if omitted else spelled)


def softmax_size(c: Chain, axis: int) -> int:
    return c.shape[axis] if c.opset >= 13 else math.prod(c.shape[axis:])


def elementwise(op: str) -> Callable[[Chain], None]:
    return lambda c: c.append(op, c.shape)


def anything(c: Chain) -> bool:
    return c.rank >= 1


def channelled(c: Chain) -> bool:
    return c.batched and c.rank >= 2


def spatial(c: Chain) -> bool:
    return c.batched and c.rank in (3, 4)


def rows(c: Chain) -> bool:
    return c.batched and (c.rank in (2, 3) or (c.rank == 4 and c.chance(0.2)))


def matrix(c: Chain) -> bool:
    return c.rank == 2 and (c.batched or c.shape[0] <= 64)


@dataclass(frozen=True)
class Operator:
    append: Callable[[Chain], None]
    applies: Callable[[Chain], bool]
    weight: float
    after: dict[str, float]  # by how much likelier after these operators; "" is the graph's input


POOLS = {"MaxPool": 2.0, "AveragePool": 2.0, "GlobalAveragePool": 4.0}
OPERATORS = {
    "Conv": Operator(conv, spatial, 5, {"": 4, "MaxPool": 1.5}),
    "Gemm": Operator(gemm, matrix, 7, {"Flatten": 3, "Reshape": 2, "Squeeze": 2, "Gemm": 0.5}),
    "MatMul": Operator(matmul, rows, 2.5, {"": 2}),
    "Relu": Operator(elementwise("Relu"), anything, 1.5, {"Conv": 3, "Gemm": 3, "BatchNormalization": 4}),
    "Clip": Operator(clip, anything, 1.5, {"Conv": 3, "Gemm": 2, "BatchNormalization": 3, "Relu": 0.3}),
    "BatchNormalization": Operator(batch_normalization, channelled, 1.2, {"Conv": 5, "Gemm": 5, "": 0.6}),
    "MaxPool": Operator(max_pool, spatial, 2.5, {}),
    "AveragePool": Operator(average_pool, spatial, 2.5, {}),
    "GlobalAveragePool": Operator(global_average_pool, spatial, 1.2, {"": 0.3}),
    "Softmax": Operator(softmax, anything, 0.8, {"Gemm": 2, "MatMul": 2, "": 0.2}),
    "Sigmoid": Operator(elementwise("Sigmoid"), anything, 0.8, {"Gemm": 2}),
    "Tanh": Operator(elementwise("Tanh"), anything, 0.8, {"Gemm": 2}),
    "Reshape": Operator(reshape, anything, 0.9, {}),
    "Flatten": Operator(flatten, lambda c: c.rank >= 2, 1.2, POOLS),
    "Transpose": Operator(transpose, lambda c: c.rank >= 2, 0.8, {}),
    "Squeeze": Operator(squeeze, lambda c: c.rank >= 2 and 1 in c.shape[1:], 2, {"GlobalAveragePool": 4}),
    "Unsqueeze": Operator(unsqueeze, lambda c: c.rank <= 3, 1, {}),
}


@cache
def all_operators() -> dict[str, Operator]:
    """These, then those of other files of the folder that have OPERATORS, by file name."""
    found = dict(OPERATORS)
    for info in sorted(pkgutil.iter_modules([str(Path(__file__).parent)]), key=lambda item: item.name):
        found |= getattr(importlib.import_module(f".{info.name}", __package__), "OPERATORS", {})
    return found


def append_operator(c: Chain) -> None:
    """Draw one operator that applies; one just used is unlikely, a Softmax likelier at the end."""
    fitting = {name: op for name, op in all_operators().items() if op.applies(c)}
    weights = []
    for name, op in fitting.items():
        again = 0.4 if name == c.previous and name not in ("Conv", "Gemm") else 1
        ending = 2.5 if name == "Softmax" and c.last else 1
        weights.append(op.weight * op.after.get(c.previous, 1) * again * ending)
    c.pick(list(fitting.values()), weights).append(c)
