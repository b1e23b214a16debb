# SPDX-License-Identifier: Apache-2.0
"""The graph under construction: a chain that operators append to, and the names its parts get."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

Item = TypeVar("Item")
Array = npt.NDArray[np.float32]

# C keywords, names of the generated code itself, names that are equal once cleaned, and text that ends
# comments, strings or lines where it is pasted unescaped.
# fmt: off
ODD_NAMES = (
    "int", "for", "return", "register", "main", "ctx", "run", "e8_s8", "arena", "w", "at", "NULL",
    "x", "X", "x y", "x.y", "x/y", "x-y", "x_y", "x__y", "_x_y", "__x", "_", "3d", "0", "-1",
    "/conv1/Conv_output_0", "model/dense/BiasAdd:0", "conv.0.weight", "größe", "名前", "µ", "π/2",
    "a*/b", "/*", 'say "hi"', "back\\slash", "100%d", "??/", "{{x}}", "%}", "a, b", "a = b", "(a)",
    "two\nlines", "tab\there", " lead", "trail ", "#note", "n" * 90,
)
# fmt: on


def names(rng: np.random.Generator, odd: bool) -> Iterator[str]:
    """Distinct names for values: all odd ones in a random order first, then plain ones."""
    pool = [ODD_NAMES[i] for i in rng.permutation(len(ODD_NAMES))] if odd else []
    return itertools.chain(pool, (f"v{i}" for i in itertools.count()))


@dataclass(frozen=True)
class Value:
    name: str
    shape: tuple[int, ...]


@dataclass
class Chain:
    """`value` is the end of the chain; forks share the lists and the names. The batch axis counts as 1."""

    rng: np.random.Generator
    opset: int
    symbolic: bool
    odd: bool
    names: Iterator[str]
    value: Value
    last: bool = False
    nodes: list[NodeProto] = field(default_factory=list)
    initializers: list[TensorProto] = field(default_factory=list)
    trail: list[Value] = field(default_factory=list)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def rank(self) -> int:
        return len(self.value.shape)

    @property
    def batched(self) -> bool:
        return self.rank > 0 and self.shape[0] == 1

    @property
    def previous(self) -> str:
        return str(self.nodes[-1].op_type) if self.nodes else ""

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
        p = None if weights is None else np.array(weights) / sum(weights)
        return items[int(self.rng.choice(len(items), p=p))]

    def integer(self, low: int, high: int) -> int:
        """Uniform in low .. high, both included."""
        return int(self.rng.integers(low, high + 1))

    def const(self, array: npt.NDArray[np.generic]) -> str:
        """A constant: an initializer, or now and then a Constant node, as exporters write both."""
        tensor = numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), next(self.names))
        if self.chance(0.15):
            self.add_node("Constant", [], tensor.name, value=tensor)
        else:
            self.initializers.append(tensor)
        return str(tensor.name)

    def floats(self, array: npt.ArrayLike) -> str:
        return self.const(np.asarray(array, np.float32))

    def integers(self, items: Sequence[int]) -> str:
        return self.const(np.asarray(items, np.int64))

    def add_node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> None:
        at = len(self.nodes)
        name = self.pick(("", f"int.{at}", f"Übung {at}", f"/a/b-{at}")) if self.odd else f"node_{at}"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))

    def append(self, op: str, shape: Sequence[int], consts: Sequence[str] = (), **attributes: Any) -> None:
        """Append a node that reads the chain's end, then `consts`; attributes that are None are left out."""
        kept = {key: value for key, value in attributes.items() if value is not None}
        out = Value(next(self.names), tuple(int(n) for n in shape))
        self.add_node(op, [self.value.name, *consts], out.name, **kept)
        self.value = out
        self.trail.append(out)

    def scaled(self, shape: Sequence[int], fan_in: int, axis: int) -> Array:
        """He-like weights whose output channels (`axis`) differ in size as trained ones do."""
        spread = [-1 if i == axis else 1 for i in range(len(shape))]
        size = np.exp(self.rng.normal(0, 0.4, shape[axis])).reshape(spread)
        return (self.rng.normal(0, math.sqrt(1.6 / fan_in), shape) * size).astype(np.float32)

    def bias(self, shape: Sequence[int]) -> Array:
        return self.rng.normal(0, 0.2, shape).astype(np.float32)
