# SPDX-License-Identifier: Apache-2.0
"""Add of two activations of one shape (residual sums); constants are folded into the layer before."""

from __future__ import annotations

import numpy as np

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Tensor
from eightbit.lower.builder import Builder
from eightbit.lower.rule import Rule, always
from eightbit.ops import add


def lower_add(b: Builder, node: Node) -> None:
    first, second = node.inputs
    x = b.tensor(first)
    shape, index = x.shape, b.index(first)
    in_memory = np.empty(x.size, np.int64)  # where in the second value the elements lie, in the order of the first
    in_memory[index.ravel()] = b.index(second).ravel()
    other = b.arranged(second, in_memory.reshape(shape))
    scale, zero_point = b.scale_for(node.outputs[0], 0.0)
    y = Tensor("", shape, scale, zero_point, node.outputs[0])
    t = add.terms(x, other, y)
    params = add.Params(shape[1], shape[2], t.mult_a, t.mult_b, t.rshift, S8_MIN, S8_MAX, t.out_c)
    b.bind(node.outputs[0], b.emit("add", params, (x.name, other.name), y, node=node), index)


def refusal(graph: Graph, node: Node) -> str:
    constant = [value for value in node.inputs if value in graph.consts]
    if constant:
        return f"its constant operand {constant[0]!r} is not finite, or makes its result larger than its other operand"
    shapes = [graph.shapes[value] for value in node.inputs]
    if shapes[0] != shapes[1]:
        return f"its operands {list(shapes[0])} and {list(shapes[1])} have different shapes"
    return ""


RULES = {"Add": Rule(lower_add, refusal, passes_factors=always)}
