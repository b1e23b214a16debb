# SPDX-License-Identifier: Apache-2.0
"""BatchNormalization that could not be folded into the layer before it: a depthwise 1x1 convolution."""

from __future__ import annotations

import numpy as np

from eightbit.frontend.graph import Graph, Node
from eightbit.lower.builder import Builder
from eightbit.lower.linear import consts, pointwise, quantised
from eightbit.lower.rule import Rule
from eightbit.ops.linear import WindowParams


def lower_batch_normalization(b: Builder, node: Node) -> None:
    scale, beta, mean, variance = (b.graph.consts[value].astype(np.float64) for value in node.inputs[1:5])
    factor = scale / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    bias = beta - mean * factor
    x = b.positions(node.inputs[0], 1)
    if len(factor) == 1:
        tensor = pointwise(b, node, x, factor[:, None], bias)
    else:
        y, q, fields = quantised(b, node, x, x.shape, factor[:, None], bias)
        height, width, channels = x.shape
        params = WindowParams(
            in_h=height, in_w=width, in_ch=channels, out_w=width, out_ch=channels, groups=channels, kh=1, kw=1,
            stride_y=1, stride_x=1, dil_y=1, dil_x=1, pad_top=0, pad_left=0, **fields,
        )  # fmt: skip
        tensor = b.emit("depthwise", params, (x.name,), y, consts(q, q.weights.reshape(1, 1, -1)), node)
    b.bind(node.outputs[0], tensor, b.positions_index(b.graph.shapes[node.outputs[0]], 1))


def refusal(graph: Graph, node: Node) -> str:
    shape = graph.shapes[node.inputs[0]]
    if len(shape) < 2:
        return "its input has no channel axis"
    if node.attributes.get("training_mode", 0):
        return "it is in training mode; export the model for inference"
    if any(value not in graph.consts for value in node.inputs[1:5]):
        return "its statistics are not constant"
    if any(graph.consts[value].shape != (shape[1],) for value in node.inputs[1:5]):
        return f"its statistics do not fit {shape[1]} channels"
    if (graph.consts[node.inputs[4]] + node.attributes.get("epsilon", 1e-5) <= 0).any():
        return "a variance is not positive"
    return ""


RULES = {"BatchNormalization": Rule(lower_batch_normalization, refusal, channel_axis=lambda graph, node: 1)}
