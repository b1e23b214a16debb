# SPDX-License-Identifier: Apache-2.0
"""The simplified float graph, frozen: plain nodes, constants and static shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

ONNX = ("", "ai.onnx")  # the domains of its own operators
INTEGERS = {"UINT8": (0.0, 255.0), "INT8": (-128.0, 127.0)}  # types that inputs may have, and what they hold


@dataclass(frozen=True)
class Node:
    """One ONNX node. A left-out optional input is ""; `label` names it in messages."""

    op_type: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        return f"node {self.name!r} ({self.op_type})" if self.name else f"{self.op_type} of {self.outputs[0]!r}"

    def input(self, position: int) -> str:
        """The input at a position, "" when it is left out."""
        return self.inputs[position] if position < len(self.inputs) else ""


@dataclass(frozen=True)
class Graph:
    """A float network: nodes in execution order, constants folded, every shape known (batch 1 included).

    `integers`: the inputs that hold nothing else, with the type they have in the file, a key of INTEGERS.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    consts: Mapping[str, NDArray[Any]]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]
    opset: int
    model: bytes
    integers: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def readers(self) -> dict[str, list[Node]]:
        """Every value's reading nodes, once per use."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault(value, []).append(node)
        return found

    @cached_property
    def producers(self) -> dict[str, Node]:
        return {value: node for node in self.nodes for value in node.outputs if value}

    def const(self, value: str) -> NDArray[np.float64] | None:
        """A constant as float64, or None if the value is not constant."""
        array = self.consts.get(value)
        return None if array is None else array.astype(np.float64)

    def only_reader(self, value: str) -> Node | None:
        """The node that alone reads a value, if it is no model output."""
        readers = self.readers.get(value, [])
        return readers[0] if len(readers) == 1 and value not in self.outputs else None


def size_arithmetic(graph: Graph) -> set[str]:
    """Labels of the nodes that calculate with sizes only: constants, once every size of the inputs is known."""
    values, labels = set(graph.consts), set()
    for node in graph.nodes:
        read = {value for value in node.inputs if value}
        if node.op_type in ("Shape", "Size") or (read and read <= values):
            values |= set(node.outputs)
            labels.add(node.label)
    return labels


def text(graph: Graph) -> str:
    """A readable listing, one line per node."""
    lines = [f"graph {graph.name!r} opset {graph.opset}"]
    for value in graph.inputs:
        kind = f" {graph.integers[value].lower()}" if value in graph.integers else ""
        lines.append(f"input {value!r} {list(graph.shapes[value])}{kind}")
    lines += [f"const {name!r} {list(array.shape)} {array.dtype}" for name, array in graph.consts.items()]
    for node in graph.nodes:
        attributes = ", ".join(f"{key}={_short(value)}" for key, value in sorted(node.attributes.items()))
        inputs = ", ".join(map(repr, node.inputs))
        shape = list(graph.shapes.get(node.outputs[0], ()))
        lines.append(f"{node.outputs[0]!r} {shape} = {node.op_type}({inputs}) {{{attributes}}}")
    lines += [f"output {value!r} {list(graph.shapes.get(value, ()))}" for value in graph.outputs]
    return "\n".join(lines) + "\n"


def _short(value: Any) -> str:
    return f"array{list(value.shape)}" if isinstance(value, np.ndarray) else str(value)
