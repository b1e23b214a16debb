# SPDX-License-Identifier: Apache-2.0
"""Which values share a scale, and on which of them its range is measured.

A group starts at a model input or at a node that chooses a new scale, and goes on through nodes that keep it
(MaxPool, Relu, Reshape, ...). Its range is that of the value after the last such node, as long as each value has
one reader: what a clamp cuts off needs no range.
"""

from __future__ import annotations

from eightbit.graph import Graph
from eightbit.lower import rule


def roots(graph: Graph) -> list[str]:
    """The values that start a group whose range is measured."""
    made = [n.outputs[0] for n in graph.nodes if not rule(n).keeps_scale and not rule(n).fixed_scale]
    return [*graph.inputs, *made]


def range_value(graph: Graph, root: str) -> str:
    """The value whose range the group of `root` takes."""
    if root in graph.inputs:
        return root  # an input's range is part of the interface
    value = root
    while (reader := graph.only_reader(value)) is not None and rule(reader).keeps_scale:
        value = reader.outputs[0]
    return value
