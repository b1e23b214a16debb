# SPDX-License-Identifier: Apache-2.0
"""Relu and Clip (clamps that keep the scale); functions of one number, x * Sigmoid(x) among them (tables)."""

from __future__ import annotations

import math

import numpy as np

from eightbit.frontend.graph import Graph, Node
from eightbit.ir import functions
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Tensor
from eightbit.lower.builder import Builder
from eightbit.lower.rule import Rule, always
from eightbit.ops import clamp, lut

ATTRIBUTE_MAX = 2.0**20  # of a function: its results then fit float32


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
    if gated(b.graph, node):
        return  # the Mul that reads it says what both are
    name = "Silu" if node.op_type == "Mul" else "LeakyRelu" if node.op_type == "PRelu" else node.op_type
    table_of(b, node, functions.spelled(name, *attributes(b.graph, node)), function_input(b.graph, node))


def table_of(b: Builder, node: Node, function: str, value: str) -> None:
    """Append y = f(x), whose scale is of its own."""
    x = b.tensor(value)
    scale, zero_point = b.scale_for(node.outputs[0], 0.0)
    y = Tensor("", x.shape, scale, zero_point, node.outputs[0])
    params = lut.Params(x.shape[1], x.shape[2], function)
    consts = {"table": lut.table(function, x, y)}
    b.bind(node.outputs[0], b.emit("lut", params, (x.name,), y, consts, node), b.index(value))


def attributes(graph: Graph, node: Node) -> list[float]:
    """Those of its function, in order; the slope of a PRelu is its second input."""
    if node.op_type == "PRelu":
        return [float(graph.consts[node.inputs[1]].reshape(()))]
    found = functions.FUNCTIONS.get(node.op_type)
    return [float(node.attributes.get(key, default)) for key, default in found.attributes.items()] if found else []


def gated(graph: Graph, node: Node) -> bool:
    """Is it a Sigmoid that only its own input is multiplied with?"""
    reader = graph.only_reader(node.outputs[0])
    return node.op_type == "Sigmoid" and reader is not None and gate(graph, reader) == node.inputs[0]


def gate(graph: Graph, node: Node) -> str:
    """The x of a Mul that is x * Sigmoid(x), "" for any other node."""
    if node.op_type == "Mul" and not node.domain:
        for x, other in (node.inputs, node.inputs[::-1]):
            maker = graph.producers.get(other)
            if maker is not None and maker.op_type == "Sigmoid" and not maker.domain and maker.inputs[0] == x:
                return x
    return ""


def function_input(graph: Graph, node: Node) -> str:
    return gate(graph, node) or node.inputs[0]


def function_refusal(graph: Graph, node: Node) -> str:
    if any(not abs(value) <= ATTRIBUTE_MAX for value in attributes(graph, node)):
        return f"its attributes {attributes(graph, node)} must lie within +-{ATTRIBUTE_MAX:g}"
    if node.op_type == "Celu" and attributes(graph, node)[0] <= 0:
        return "its alpha is not positive"
    return ""


def prelu_refusal(graph: Graph, node: Node) -> str:
    slope = graph.consts.get(node.inputs[1])
    if slope is None or slope.size != 1 or slope.ndim > len(graph.shapes[node.inputs[0]]):
        return "its slopes are not one constant number; one slope for all channels is supported"
    return function_refusal(graph, node)


def gelu_refusal(graph: Graph, node: Node) -> str:
    kind = node.attributes.get("approximate", "none")
    return "" if kind == "none" else f"its approximation {kind!r} is not supported; the exact one is"


def mul_refusal(graph: Graph, node: Node) -> str:
    if gate(graph, node):
        return ""
    constant = [value for value in node.inputs if value in graph.consts]
    if constant:
        return f"its constant operand {constant[0]!r} is not finite, or makes its result larger than its other operand"
    return "both operands are activations; a constant, or x * Sigmoid(x), is supported"


def linear_part(graph: Graph, node: Node) -> tuple[float, float]:
    """Where a HardSigmoid is neither 0 nor 1."""
    alpha, beta = attributes(graph, node)
    ends = sorted(((0.0 - beta) / alpha, (1.0 - beta) / alpha)) if alpha else [-math.inf, math.inf]
    return ends[0], ends[1]


FUNCTION = Rule(lower_table, function_refusal)
# Beyond these inputs the function is within a fifth of an s8 step of its limit; HardSwish is 0 below -3.
RULES = {
    "Relu": Rule(lower_relu, keeps_scale=True, useful_range=lambda graph, node: (0.0, math.inf), passes_factors=always),
    "Clip": Rule(lower_clip, clip_refusal, keeps_scale=True, useful_range=bounds, passes_factors=is_relu),
    "Sigmoid": Rule(lower_table, useful_range=lambda graph, node: (-7.25, 7.25)),
    "Tanh": Rule(lower_table, useful_range=lambda graph, node: (-3.625, 3.625)),
    "LeakyRelu": Rule(lower_table, function_refusal, passes_factors=always),
    "PRelu": Rule(lower_table, prelu_refusal, passes_factors=always),
    "HardSwish": Rule(lower_table, useful_range=lambda graph, node: (-3.0, math.inf)),
    "HardSigmoid": Rule(lower_table, function_refusal, useful_range=linear_part),
    "Elu": FUNCTION,
    "Selu": FUNCTION,
    "Celu": FUNCTION,
    "Gelu": Rule(lower_table, gelu_refusal),
    "Softplus": FUNCTION,
    "Softsign": FUNCTION,
    "Mul": Rule(lower_table, mul_refusal),
}
