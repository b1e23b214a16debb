# SPDX-License-Identifier: Apache-2.0
"""Conv: any kernel, stride, padding, dilation and groups, on images and signals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.lower.builder import Builder
from eightbit.lower.geometry import axes, window_fields, window_refusal
from eightbit.lower.linear import consts, quantised
from eightbit.lower.rule import Rule
from eightbit.ops.linear import WindowParams


def lower_conv(b: Builder, node: Node) -> None:
    weights = b.graph.const(node.inputs[1])
    assert weights is not None  # refusal looked
    weights = weights[..., None] if weights.ndim == 3 else weights  # a signal is an image of width 1
    kernel = list(weights.shape[2:])
    weights = weights.transpose(0, 2, 3, 1)
    given = b.graph.const(node.input(2))
    bias = np.zeros(len(weights)) if given is None else given
    x = b.image(node.inputs[0])
    y_axis, x_axis = axes(b.graph, node, kernel)
    shape = (y_axis.out, x_axis.out, len(weights))
    y, q, fields = quantised(b, node, x, shape, weights, bias)
    groups = int(node.attributes.get("group", 1))
    params = WindowParams(
        **window_fields(y_axis, x_axis), in_ch=x.shape[2], out_ch=len(weights), groups=groups, **fields
    )
    if groups == x.shape[2] > 1:
        packed, op = q.weights[..., 0].transpose(1, 2, 0), "depthwise"
    else:
        packed, op = q.weights, "conv"
    tensor = b.emit(op, params, (x.name,), y, consts(q, packed), node)
    b.bind(node.outputs[0], tensor, b.image_index(shape))


def refusal(graph: Graph, node: Node) -> str:
    weights = graph.consts.get(node.inputs[1])
    if weights is None:
        return f"its weights {node.inputs[1]!r} are not constant"
    if node.input(2) and node.inputs[2] not in graph.consts:
        return f"its bias {node.inputs[2]!r} is not constant"
    return window_refusal(graph, node, list(weights.shape[2:])) or _misfit(graph, node, weights)


def _misfit(graph: Graph, node: Node, weights: NDArray[Any]) -> str:
    kernel = node.attributes.get("kernel_shape")
    if kernel is not None and list(kernel) != list(weights.shape[2:]):
        return f"kernel_shape {list(kernel)} and weights {list(weights.shape)} disagree"
    groups, channels = node.attributes.get("group", 1), graph.shapes[node.inputs[0]][1]
    if groups < 1 or channels != weights.shape[1] * groups or len(weights) % groups:
        return f"weights {list(weights.shape)} and group {groups} do not fit {channels} input channels"
    if node.input(2) and graph.consts[node.inputs[2]].shape != (len(weights),):
        return f"its bias {list(graph.consts[node.inputs[2]].shape)} does not fit {len(weights)} output channels"
    return ""


RULES = {"Conv": Rule(lower_conv, refusal, channel_axis=lambda graph, node: 1)}
