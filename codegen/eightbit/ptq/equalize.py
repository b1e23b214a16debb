# SPDX-License-Identifier: Apache-2.0
"""Channel equalisation: factors moved exactly across what commutes with them, from a layer into its readers.

Example: Conv -> Relu -> depthwise Conv, channel 3 is never above 1/50 of the range: multiply weights and bias of its
producer by 33, divide what reads it by 33. The float network is the same; in s8 the channel has more steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.lower import rule
from eightbit.lower.groups import Equalities

Float = NDArray[np.float64]
Ranges = Mapping[str, tuple[float, float]]

POSITIONS = 100  # groups with smaller images are left alone: few values a channel, and maxima that do not hold
HEADROOM = 1.5  # a raised channel's maximum stays below the range by this factor
LARGEST = 64.0  # a channel's range counts as at least 1/64 of the group's
POWERS = (0.0, 0.25, 0.5, 0.75, 1.0)
BITS = 8  # of a factor: it is saved as a short number


@dataclass(frozen=True)
class Group:
    """Values whose channels must have the same factors, the Convs that make them and the linear nodes that read them.

    Axis 1 of every value counts the channels, or equally long runs of each.
    """

    values: tuple[str, ...]
    channels: int
    producers: tuple[Node, ...]
    consumers: tuple[Node, ...]

    @property
    def name(self) -> str:
        return self.values[0]


def groups(graph: Graph) -> list[Group]:
    """The groups that can take factors, in the order of their first values."""
    members: dict[str, list[str]] = {}
    equal, barred = _equalities(graph)
    for value in graph.shapes:
        if value in graph.producers:
            members.setdefault(equal.root(value), []).append(value)
    order = {value: i for i, value in enumerate(graph.producers)}
    found = []
    for values in members.values():
        values.sort(key=order.__getitem__)
        if not any(value in barred for value in values):
            group = _group(graph, tuple(values))
            found += [group] if group is not None else []
    return sorted(found, key=lambda group: order[group.name])


def _group(graph: Graph, values: tuple[str, ...]) -> Group | None:
    producers = tuple(graph.producers[v] for v in values if graph.producers[v].op_type == "Conv")
    consumers = tuple(
        node for node in graph.nodes if node.inputs[0] in values and node.op_type in ("Conv", "Gemm", "MatMul")
    )
    shapes = [graph.shapes[value] for value in values]
    channels = shapes[0][1] if len(shapes[0]) > 2 else 0
    if not producers or not consumers or math.prod(shapes[0][2:]) < POSITIONS or channels < 2:
        return None
    if any(graph.shapes[node.outputs[0]][1] != channels for node in producers):
        return None
    if any(len(shape) < 2 or shape[0] != 1 or shape[1] % channels for shape in shapes):
        return None
    return Group(values, channels, producers, consumers)


def _equalities(graph: Graph) -> tuple[Equalities, set[str]]:
    """Which values must have the same factors, and those that must keep the scale of every channel."""
    equal, barred = Equalities(), {*graph.inputs, *graph.outputs}
    for node in graph.nodes:
        live = [value for value in node.inputs if value and value not in graph.consts]
        if node.op_type == "Conv":
            continue
        if _is_matrix(graph, node):
            barred.update(node.outputs)
        elif rule(node).passes_factors(graph, node):
            for value in live:
                equal.tie(node.outputs[0], value)
        else:
            barred.update(live, node.outputs)
    return equal, barred


def _is_matrix(graph: Graph, node: Node) -> bool:
    """Does a constant matrix multiply one row, its first input?"""
    if node.op_type not in ("Gemm", "MatMul") or node.inputs[1] not in graph.consts or node.attributes.get("transA"):
        return False
    return len(graph.shapes[node.inputs[0]]) == 2 == graph.consts[node.inputs[1]].ndim


def columns(node: Node, weights: Float, channels: int) -> tuple[Float, NDArray[np.int64]]:
    """Weights as [out, in, taps], and which channel of the input each [out, in] reads."""
    if node.op_type == "Conv":
        (outs, depth), parts = weights.shape[:2], node.attributes.get("group", 1)
        start = np.arange(outs) // (outs // parts) * depth
        run = depth * parts // channels  # more than 1 where a Reshape has split every channel
        return weights.reshape(outs, depth, -1), (start[:, None] + np.arange(depth)) // run
    matrix = weights if node.op_type == "Gemm" and node.attributes.get("transB", 0) else weights.T
    read = np.arange(matrix.shape[1]) // (matrix.shape[1] // channels)
    return matrix[..., None], np.broadcast_to(read, matrix.shape)


def equalized(graph: Graph, gains: Mapping[str, tuple[float, ...]]) -> Graph:
    """The graph with other weights and biases: every value of a group times its gains. `model` stays what it was."""
    if not gains:
        return graph
    factors = factors_of(graph, gains)
    consts, nodes = dict(graph.consts), []
    for node in graph.nodes:
        made, read = factors.get(node.outputs[0]), factors.get(node.inputs[0])
        if node.op_type not in ("Conv", "Gemm", "MatMul") or (made is None and read is None):
            nodes.append(node)
            continue
        inputs = list(node.inputs)
        inputs[1] = _added(consts, f"{node.outputs[0]}/weights", _scaled(graph, node, made, read))
        if made is not None and node.input(2):
            inputs[2] = _added(consts, f"{node.outputs[0]}/bias", graph.consts[node.inputs[2]] * made)
        nodes.append(replace(node, inputs=tuple(inputs)))
    return replace(graph, nodes=tuple(nodes), consts=consts)


def factors_of(graph: Graph, gains: Mapping[str, tuple[float, ...]]) -> dict[str, Float]:
    """Gains per channel of every value of the groups."""
    return {value: np.array(gains[g.name]) for g in groups(graph) if g.name in gains for value in g.values}


def _scaled(graph: Graph, node: Node, made: Float | None, read: Float | None) -> Float:
    weights = graph.consts[node.inputs[1]].astype(np.float64)
    if read is not None:
        rows, channel = columns(node, weights, len(read))
        rows = rows / read[channel][:, :, None]
        if node.op_type == "Conv":
            weights = rows.reshape(weights.shape)
        else:
            weights = rows[..., 0] if node.op_type == "Gemm" and node.attributes.get("transB", 0) else rows[..., 0].T
    return weights if made is None else weights * made.reshape(-1, *[1] * (weights.ndim - 1))


def _added(consts: dict[str, NDArray[np.generic]], name: str, array: Float) -> str:
    while name in consts:
        name += "_"
    consts[name] = array
    return name
