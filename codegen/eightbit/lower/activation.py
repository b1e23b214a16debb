# SPDX-License-Identifier: Apache-2.0
"""Relu and Clip (clamps that keep the scale), Sigmoid, Tanh and HardSwish (tables)."""

from __future__ import annotations

import math

import numpy as np

from eightbit.fixed import S8_MAX, S8_MIN
from eightbit.graph import Graph, Node
from eightbit.lower.builder import Builder
from eightbit.lower.rule import Rule, always
from eightbit.ops import clamp, lut
from eightbit.program import Tensor


def lower_relu(b: Builder, node: Node) -> None:
    clamp_to(b, node, 0.0, math.inf)


def lower_clip(b: Builder, node: Node) -> None:
    clamp_to(b, node, *bounds(b.graph, node))


def clamp_to(b: Builder, node: Node, low: float, high: float) -> None:
    """Append y = clamp(x) with real bounds; y shares the scale of x."""
    value = node.inputs[0]
    x = b.tensor(value)
    act_min, act_max = step(low, x), step(high, x)
    params = clamp.Params(x.shape[1], x.shape[2], min(act_min, act_max), act_max)
    y = Tensor("", x.shape, x.scale, x.zero_point, node.outputs[0])
    b.bind(node.outputs[0], b.emit("clamp", params, (x.name,), y, node=node), b.index(value))


def step(bound: float, x: Tensor) -> int:
    """A real bound as an s8 value of tensor x, half up."""
    real = min(max(bound / x.scale, -1000.0), 1000.0)  # infinite bounds clamp nothing
    return min(S8_MAX, max(S8_MIN, math.floor(real + 0.5) + x.zero_point))


def bounds(graph: Graph, node: Node) -> tuple[float, float]:
    """Clip's (low, high), from attributes (opset 6) or inputs (opset 11)."""
    found = [node.attributes.get("min", -math.inf), node.attributes.get("max", math.inf)]
    for i in (0, 1):
        if node.input(i + 1):
            found[i] = float(np.asarray(graph.const(node.inputs[i + 1])).reshape(()))
    return float(found[0]), float(found[1])


def is_relu(graph: Graph, node: Node) -> bool:
    """Does a Clip only cut off what is negative, or nothing?"""
    low, high = bounds(graph, node)
    return low in (0.0, -math.inf) and high == math.inf


def clip_refusal(graph: Graph, node: Node) -> str:
    for i in (1, 2):
        if node.input(i) and (node.inputs[i] not in graph.consts or graph.consts[node.inputs[i]].size != 1):
            return f"its bound {node.inputs[i]!r} is not a constant number"
    if any(map(math.isnan, bounds(graph, node))):
        return "a bound is NaN"
    return ""


def lower_table(b: Builder, node: Node) -> None:
    value = node.inputs[0]
    x = b.tensor(value)
    scale, zero_point = b.scale_for(node.outputs[0], 0.0)
    y = Tensor("", x.shape, scale, zero_point, node.outputs[0])
    params = lut.Params(x.shape[1], x.shape[2], node.op_type)
    consts = {"table": lut.table(node.op_type, x, y)}
    b.bind(node.outputs[0], b.emit("lut", params, (x.name,), y, consts, node), b.index(value))


# Beyond these inputs the function is within a fifth of an s8 step of its limit; HardSwish is 0 below -3.
RULES = {
    "Relu": Rule(lower_relu, keeps_scale=True, useful_range=lambda graph, node: (0.0, math.inf), passes_factors=always),
    "Clip": Rule(lower_clip, clip_refusal, keeps_scale=True, useful_range=bounds, passes_factors=is_relu),
    "Sigmoid": Rule(lower_table, useful_range=lambda graph, node: (-7.25, 7.25)),
    "Tanh": Rule(lower_table, useful_range=lambda graph, node: (-3.625, 3.625)),
    "HardSwish": Rule(lower_table, useful_range=lambda graph, node: (-3.0, math.inf)),
}
