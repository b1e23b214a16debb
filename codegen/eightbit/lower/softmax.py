# SPDX-License-Identifier: Apache-2.0
"""Softmax over any axis; before opset 13 over all axes from `axis` on, taken as one."""

from __future__ import annotations

import math

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.program import Tensor
from eightbit.lower.builder import Builder
from eightbit.lower.rule import Rule
from eightbit.ops import softmax

FLATTENING = 13  # the first opset in which `axis` is one axis


def lower_softmax(b: Builder, node: Node) -> None:
    value, shape = node.inputs[0], b.graph.shapes[node.outputs[0]]
    if b.graph.opset >= FLATTENING:
        axis = node.attributes.get("axis", -1) % len(shape)
        x = b.positions(value, axis)
        index = b.positions_index(shape, axis)
    else:
        axis = node.attributes.get("axis", 1) % (len(shape) or 1)
        width = math.prod(shape[axis:])
        x = b.arranged(value, b.index(value).reshape(-1, 1, width))
        index = b.positions_index((math.prod(shape), 1), 1)
    bits = softmax.out_bits(b.ranges[node.outputs[0]][1])
    params = softmax.Params(x.shape[1], x.shape[2], bits)
    y = Tensor("", x.shape, 2.0**-bits, softmax.OUT_ZERO_POINT, node.outputs[0])
    consts = {"table": softmax.exp_table(x.scale, x.shape[2], bits)}
    b.bind(node.outputs[0], b.emit("softmax", params, (x.name,), y, consts, node), index)


def refusal(graph: Graph, node: Node) -> str:
    return "" if graph.shapes[node.inputs[0]] else "its input is a single number"


RULES = {"Softmax": Rule(lower_softmax, refusal)}
