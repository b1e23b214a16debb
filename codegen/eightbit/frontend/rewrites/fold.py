# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the float graph: layers take in the bias and the BatchNormalization that follow them, in float64."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


def remove_identities(model: ir.Model) -> None:
    """Let readers of an Identity read its input; onnx_ir's own pass renames a model output that an Identity reads."""
    for node in list(model.graph):
        if node.op_type != "Identity" or node.domain not in ("", "ai.onnx") or node.inputs[0] is None:
            continue
        x, y = node.inputs[0], node.outputs[0]
        if not y.is_graph_output():
            y.replace_all_uses_with(x)
            model.graph.remove(node, safe=True)
        elif x.producer() is not None and not x.is_graph_output():
            _take_over(model, x, node)


def fold_biases(model: ir.Model) -> None:
    """Make an Add of one constant per channel the bias of the Conv, Gemm or MatMul before it; that MatMul a Gemm."""
    for node in list(model.graph):
        if node.op_type != "Add" or node.domain not in ("", "ai.onnx"):
            continue
        for x, constant in (node.inputs, node.inputs[::-1]):
            linear = x.producer() if x is not None else None
            if linear is not None and constant is not None and _takes_bias(linear, constant):
                _add_bias(model, linear, constant, node)
                break


def _takes_bias(linear: ir.Node, constant: ir.Value) -> bool:
    """Does only the Add read this layer, and does the constant vary along its output channels alone?"""
    out = linear.outputs[0]
    if linear.domain not in ("", "ai.onnx") or out.is_graph_output() or len(out.uses()) != 1:
        return False
    if constant.const_value is None or constant.shape is None or out.shape is None:
        return False
    weights = linear.inputs[1].const_value if len(linear.inputs) > 1 and linear.inputs[1] is not None else None
    given = linear.inputs[2] if len(linear.inputs) > 2 else None
    if weights is None or (given is not None and given.const_value is None):
        return False
    rank = len(out.shape)
    axis = {"Conv": 1, "Gemm": 1, "MatMul": rank - 1}.get(linear.op_type)
    if axis is None or (linear.op_type == "MatMul" and (rank, len(weights.shape)) != (2, 2)):
        return False
    sizes = [1] * (rank - len(constant.shape)) + list(constant.shape)
    return len(sizes) == rank and all(size == 1 or i == axis for i, size in enumerate(sizes))


def _add_bias(model: ir.Model, linear: ir.Node, constant: ir.Value, node: ir.Node) -> None:
    given = linear.inputs[2] if len(linear.inputs) > 2 else None
    beta = linear.attributes.get_float("beta", 1.0) if linear.op_type == "Gemm" else 1.0
    weights = array_of(linear.inputs[1])
    by_rows = linear.op_type == "Conv" or _flag(linear, "transB")
    channels = weights.shape[0 if by_rows else 1]
    bias = array_of(constant).ravel() + (beta * array_of(given) if given is not None else 0.0)
    if linear.op_type == "MatMul":
        linear.op_type = "Gemm"
    elif linear.op_type == "Gemm":
        linear.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    linear.resize_inputs(3)
    bias = np.broadcast_to(bias, (*bias.shape[:-1], channels))
    linear.replace_input_with(2, add_initializer(model, f"{node.outputs[0].name or 'add'}/folded_bias", bias))
    _take_over(model, linear.outputs[0], node)


def fold_batch_normalization(model: ir.Model) -> None:
    """Multiply BatchNormalization into the Conv or Gemm before it, in float64, if only it reads that node."""
    for node in list(model.graph):
        if node.op_type != "BatchNormalization" or node.domain not in ("", "ai.onnx"):
            continue
        linear = node.inputs[0].producer() if node.inputs[0] is not None else None
        if linear is not None and _foldable(linear, node):
            _fold_into(model, linear, node)


def _foldable(linear: ir.Node, norm: ir.Node) -> bool:
    out = linear.outputs[0]
    if linear.op_type not in ("Conv", "Gemm") or linear.domain not in ("", "ai.onnx"):
        return False
    if out.is_graph_output() or len(out.uses()) != 1 or len([o for o in norm.outputs if o.uses()]) > 1:
        return False
    if _flag(norm, "training_mode"):
        return False
    if linear.op_type == "Gemm" and _flag(linear, "transA"):
        return False
    values = [*linear.inputs[1:], *norm.inputs[1:]]
    if not all(value is None or value.const_value is not None for value in values):
        return False
    return bool(np.isfinite(_factor(norm)).all())  # else its own refusal says why not


def _factor(norm: ir.Node) -> NDArray[np.float64]:
    gamma, variance = array_of(norm.inputs[1]), array_of(norm.inputs[4])
    with np.errstate(all="ignore"):
        return np.asarray(gamma / np.sqrt(variance + norm.attributes.get_float("epsilon", 1e-5)))


def _fold_into(model: ir.Model, linear: ir.Node, norm: ir.Node) -> None:
    beta, mean, factor = array_of(norm.inputs[2]), array_of(norm.inputs[3]), _factor(norm)
    weights = array_of(linear.inputs[1])
    bias = array_of(linear.inputs[2]) if len(linear.inputs) > 2 and linear.inputs[2] is not None else np.zeros(1)
    if linear.op_type == "Conv":
        weights = weights * factor.reshape(-1, *[1] * (weights.ndim - 1))
    else:
        weights = weights * linear.attributes.get_float("alpha", 1.0)
        bias = bias * linear.attributes.get_float("beta", 1.0)  # whatever its shape, columns are its last axis
        weights = weights * (factor[:, None] if _flag(linear, "transB") else factor)
        linear.attributes["alpha"] = ir.AttrFloat32("alpha", 1.0)
        linear.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    bias = (bias - mean) * factor + beta
    stem = norm.outputs[0].name or "bn"
    while len(linear.inputs) < 3:
        linear.resize_inputs(3)
    linear.replace_input_with(1, add_initializer(model, f"{stem}/folded_weight", weights))
    linear.replace_input_with(2, add_initializer(model, f"{stem}/folded_bias", bias))
    _take_over(model, linear.outputs[0], norm)


def _take_over(model: ir.Model, new: ir.Value, node: ir.Node) -> None:
    """Let `new` be the value that `node` made, name included, and drop `node`."""
    old = node.outputs[0]
    name, was_output = old.name, old.is_graph_output()
    old.replace_all_uses_with(new, replace_graph_outputs=was_output)
    model.graph.remove(node, safe=True)
    new.name = name


def _flag(node: ir.Node, name: str) -> bool:
    return bool(node.attributes.get_int(name, 0))


def array_of(value: ir.Value | None) -> NDArray[np.float64]:
    """A constant's numbers."""
    if value is None or value.const_value is None:
        raise ValueError("not a constant")  # who asks has looked
    return value.const_value.numpy().astype(np.float64)


def add_initializer(model: ir.Model, name: str, array: NDArray[np.float64]) -> ir.Value:
    """A new float32 constant of a model, called `name` or like it."""
    while name in model.graph.initializers:
        name += "_"
    tensor = ir.tensor(array.astype(np.float32), name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    return value
