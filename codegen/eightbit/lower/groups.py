# SPDX-License-Identifier: Apache-2.0
"""Which values share a scale, and which part of their range matters.

A group starts at a model input or at a node that chooses a new scale, and goes on through nodes that keep it
(MaxPool, Relu, Reshape, ...). Its range is measured where it starts, and cut to what later readers can tell apart,
as long as each value has one reader: what a Relu, a Clip or a saturated Tanh makes equal needs no range.
"""

from __future__ import annotations

from eightbit.graph import Graph
from eightbit.lower import rule


def roots(graph: Graph) -> list[str]:
    """The values that start a group whose range is measured."""
    return [*graph.inputs, *(node.outputs[0] for node in graph.nodes if not rule(node).keeps_scale)]


def useful_range(graph: Graph, root: str, low: float, high: float) -> tuple[float, float]:
    """The part of [low, high] that the readers of a group can tell apart."""
    value: str | None = root
    while value is not None and (reader := graph.only_reader(value)) is not None:
        floor, ceiling = rule(reader).useful_range(graph, reader)
        low, high = min(max(low, floor), ceiling), min(max(high, floor), ceiling)
        value = reader.outputs[0] if rule(reader).keeps_scale else None
    return low, high
