# SPDX-License-Identifier: Apache-2.0
"""ReduceMean, ReduceMax and GlobalMaxPool over any axes but the batch: `gap`, or a MaxPool of the whole."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Tensor
from eightbit.ir.windows import Window
from eightbit.lower.builder import Builder, Index
from eightbit.lower.pool import averaged_whole
from eightbit.lower.rule import Rule
from eightbit.ops import maxpool


def lower_mean(b: Builder, node: Node) -> None:
    tensor = averaged_whole(b, node, b.arranged(node.inputs[0], whole_image(b, node), planes=True))
    b.bind(node.outputs[0], tensor, np.arange(math.prod(b.graph.shapes[node.outputs[0]])))


def lower_max(b: Builder, node: Node) -> None:
    x = b.arranged(node.inputs[0], whole_image(b, node), planes=True)
    height, width, channels = x.shape
    window = Window(
        in_h=height, in_w=width, out_w=1, kh=height, kw=width, stride_y=1, stride_x=1, dil_y=1, dil_x=1,
        pad_top=0, pad_left=0,
    )  # fmt: skip
    params = maxpool.Params(**asdict(window), ch=channels, act_min=S8_MIN, act_max=S8_MAX)
    y = Tensor("", (1, 1, channels), x.scale, x.zero_point, node.outputs[0])
    tensor = b.emit("maxpool", params, (x.name,), y, node=node)
    b.bind(node.outputs[0], tensor, np.arange(channels))


def whole_image(b: Builder, node: Node) -> Index:
    """The elements of a node's input as an image that is reduced as a whole; what is kept are its channels."""
    index, reduced = b.index(node.inputs[0]), axes(b.graph, node)
    kept = [axis for axis in range(index.ndim) if axis not in reduced]
    first = index.shape[reduced[0]]
    return index.transpose(*reduced, *kept).reshape(first, -1, math.prod(index.shape[axis] for axis in kept))


def axes(graph: Graph, node: Node) -> list[int]:
    """The axes that are reduced, ascending: an attribute, from opset 13 or 18 on an input, or all."""
    rank = len(graph.shapes[node.inputs[0]])
    if node.op_type == "GlobalMaxPool":
        return list(range(2, rank))
    return sorted({int(axis) % rank for axis in stated_axes(graph, node)} if rank else ()) or list(range(rank))


def stated_axes(graph: Graph, node: Node) -> NDArray[Any]:
    """As they stand in the model; none where nothing is stated."""
    return np.asarray(graph.consts.get(node.input(1), node.attributes.get("axes", ())))


def refusal(graph: Graph, node: Node) -> str:
    shape = graph.shapes[node.inputs[0]]
    if node.input(1) and node.inputs[1] not in graph.consts:
        return f"its axes {node.inputs[1]!r} are not constant"
    stated, rank = stated_axes(graph, node), len(shape)
    if stated.ndim != 1 or any(not -rank <= axis < rank for axis in stated):
        return f"its axes {stated.tolist()} are not some of the {rank} of its input"
    if node.attributes.get("noop_with_empty_axes", 0) and not stated.size:
        return "it has no axes, so it reduces nothing; leave it out"
    if not axes(graph, node):
        return f"its input {list(shape)} has no axis to reduce"
    return ""


def keeps_channels(graph: Graph, node: Node) -> bool:
    """Does it reduce neither the batch nor the channels?"""
    return min(axes(graph, node)) > 1


RULES = {
    "GlobalMaxPool": Rule(lower_max, refusal, keeps_scale=True, passes_factors=keeps_channels),
    "ReduceMax": Rule(lower_max, refusal, keeps_scale=True, passes_factors=keeps_channels),
    "ReduceMean": Rule(lower_mean, refusal, passes_factors=keeps_channels),
}
