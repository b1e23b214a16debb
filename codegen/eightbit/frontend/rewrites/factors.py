# SPDX-License-Identifier: Apache-2.0
"""Rewrite of the float graph: a constant factor moves into the weights of the layers that read what it scales.

Example: uint8 x -> Cast -> Div by 255 -> Conv becomes a Conv of x with weights / 255: no call and no rounding.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import add_initializer, array_of
from eightbit.frontend.rewrites.integers import MOVES


def fold_factors(model: ir.Model) -> None:
    """Fold every Mul and Div by one constant number that only linear layers read, in float64."""
    for node in list(model.graph):
        found = _factor(node)
        if found is None:
            continue
        value, factor = found
        layers: list[ir.Node] = []
        if not _only_layers(node.outputs[0], layers):
            continue
        for layer in layers:
            weights = layer.inputs[1]
            name = f"{layer.outputs[0].name or 'layer'}/scaled_weight"
            layer.replace_input_with(1, add_initializer(model, name, array_of(weights) * factor))
        node.outputs[0].replace_all_uses_with(value)
        model.graph.remove(node, safe=True)


def _factor(node: ir.Node) -> tuple[ir.Value, float] | None:
    """What a node multiplies by one finite number, and that number; None where it does not."""
    if node.domain not in ONNX or node.op_type not in ("Mul", "Div"):
        return None
    pairs = [(node.inputs[0], node.inputs[1])]
    pairs += [(node.inputs[1], node.inputs[0])] if node.op_type == "Mul" else []
    for value, number in pairs:
        if value is None or number is None or number.const_value is None or value.const_value is not None:
            continue
        if number.const_value.size != 1 or value.shape != node.outputs[0].shape:
            return None
        given = float(array_of(number).reshape(()))
        factor = given if node.op_type == "Mul" else 1 / given if given else math.inf
        return (value, factor) if math.isfinite(factor) and factor else None
    return None


def _only_layers(value: ir.Value, layers: list[ir.Node]) -> bool:
    """Do only linear layers with constant weights read a value, perhaps in another order? Collects them."""
    if value.is_graph_output() or not value.uses():
        return False
    for node, position in value.uses():
        if node.domain not in ONNX or position != 0:
            return False
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            if node.inputs[1] is None or node.inputs[1].const_value is None or node in layers:
                return False
            layers.append(node)
        elif node.op_type not in MOVES or not _only_layers(node.outputs[0], layers):
            return False
    return True
