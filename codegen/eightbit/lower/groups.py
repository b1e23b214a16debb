# SPDX-License-Identifier: Apache-2.0
"""Which values share a scale, and which part of their range matters.

Nodes that keep a scale (MaxPool, Relu, Reshape, ...) say that their output's equals their input's. A union-find solves
these equalities: each class is a group, and its first value, a model input or the output of a node that chooses a
scale, is where its range is measured. The range is cut to what later readers can tell apart, as long as each value has
one reader: what a Relu, a Clip or a saturated Tanh makes equal needs no range.
"""

from __future__ import annotations

from eightbit.frontend.graph import Graph
from eightbit.lower import rule


class Equalities:
    """A union-find forest over names: those tied to each other, directly or not, are one class."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        """The name that stands for the class of `name`."""
        parent = self._parent.setdefault(name, name)
        while parent != name:
            self._parent[name] = name = self._parent[parent]  # halves the path for whoever asks next
            parent = self._parent.setdefault(name, name)
        return name

    def tie(self, first: str, second: str) -> None:
        """Join two classes; the root of `first` stands for both."""
        self._parent[self.root(second)] = self.root(first)


def scale_groups(graph: Graph) -> dict[str, list[str]]:
    """All activations by the first value of their group, in execution order."""
    equal = Equalities()
    for node in graph.nodes:
        if rule(node).keeps_scale:
            equal.tie(node.inputs[0], node.outputs[0])
    found: dict[str, list[str]] = {}
    for value in (*graph.inputs, *(node.outputs[0] for node in graph.nodes)):
        found.setdefault(equal.root(value), []).append(value)
    return found


def roots(graph: Graph) -> list[str]:
    """The values that start a group whose range is measured."""
    return list(scale_groups(graph))


def useful_range(graph: Graph, root: str, low: float, high: float) -> tuple[float, float]:
    """The part of [low, high] that the readers of a group can tell apart."""
    value: str | None = root
    while value is not None and (reader := graph.only_reader(value)) is not None:
        floor, ceiling = rule(reader).useful_range(graph, reader)
        low, high = min(max(low, floor), ceiling), min(max(high, floor), ceiling)
        value = reader.outputs[0] if rule(reader).keeps_scale else None
    return low, high
