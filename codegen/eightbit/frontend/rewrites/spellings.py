# SPDX-License-Identifier: Apache-2.0
"""Rewrite of the float graph: other spellings of operators that compile.

Max and Min with a number are a Relu or Clip, a Sum is Adds, and a Sub of two activations is an Add of a Neg.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import add_initializer, array_of, node_before, same_shape, static_shape

CLIP_WITH_INPUTS = 11  # the first opset in which the bounds of a Clip are inputs


def respell(model: ir.Model) -> None:
    """Rewrite every such node where it stands; its name and its output stay."""
    for node in list(model.graph):
        if node.domain not in ONNX or any(value is None for value in node.inputs):
            continue
        if node.op_type in ("Max", "Min"):
            _respell_extreme(model, node)
        elif node.op_type == "Sum":
            _respell_sum(node)
        elif node.op_type == "Sub" and same_shape(node.inputs[0], node.inputs[1]) and not _constants(node):
            node.replace_input_with(1, node_before(node, "Neg", [node.inputs[1]], static_shape(node.inputs[1])))
            node.op_type = "Add"


def _constants(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None and value.const_value is not None]


def _respell_extreme(model: ir.Model, node: ir.Node) -> None:
    """Max(x, c) or Min(x, c) with one constant number."""
    constants = _constants(node)
    if len(node.inputs) != 2 or len(constants) != 1 or array_of(constants[0]).size != 1:
        return
    x, bound = node.inputs[0 if constants[0] is node.inputs[1] else 1], float(array_of(constants[0]).reshape(()))
    if x is None or x.dtype != ir.DataType.FLOAT or not same_shape(x, node.outputs[0]) or math.isnan(bound):
        return
    low = node.op_type == "Max"
    if low and bound == 0.0:
        node.op_type = "Relu"
        node.resize_inputs(1)
        node.replace_input_with(0, x)
    elif model.opset_imports.get("", 0) < CLIP_WITH_INPUTS:
        node.op_type = "Clip"
        node.resize_inputs(1)
        node.replace_input_with(0, x)
        node.attributes["min" if low else "max"] = ir.AttrFloat32("min" if low else "max", bound)
    else:
        node.op_type = "Clip"
        limit = add_initializer(model, f"{node.outputs[0].name or 'clip'}/bound", np.array(bound))
        node.resize_inputs(3)
        for i, value in enumerate((x, limit if low else None, None if low else limit)):
            node.replace_input_with(i, value)


def _respell_sum(node: ir.Node) -> None:
    values = list(node.inputs)
    if len(values) < 2 or not all(value is not None and same_shape(value, node.outputs[0]) for value in values):
        return
    total = values[0]
    for value in values[1:-1]:
        total = node_before(node, "Add", [total, value], static_shape(node.outputs[0]))
    node.op_type = "Add"
    node.resize_inputs(2)
    node.replace_input_with(0, total)
    node.replace_input_with(1, values[-1])
