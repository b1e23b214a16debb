# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the float graph: layers take in the BatchNormalization that follows them, in float64."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import add_initializer, array_of, take_over


def remove_identities(model: ir.Model) -> None:
    """Let readers of an Identity read its input; onnx_ir's own pass renames a model output that an Identity reads."""
    for node in list(model.graph):
        if node.op_type != "Identity" or node.domain not in ONNX or node.inputs[0] is None:
            continue
        x, y = node.inputs[0], node.outputs[0]
        if not y.is_graph_output():
            y.replace_all_uses_with(x)
            model.graph.remove(node, safe=True)
        elif x.producer() is not None and not x.is_graph_output():
            take_over(model, x, node)


def fold_batch_normalization(model: ir.Model) -> None:
    """Multiply BatchNormalization into the Conv or Gemm before it, in float64, if only it reads that node."""
    for node in list(model.graph):
        if node.op_type != "BatchNormalization" or node.domain not in ONNX:
            continue
        linear = node.inputs[0].producer() if node.inputs[0] is not None else None
        if linear is not None and _foldable(linear, node):
            _fold_into(model, linear, node)


def _foldable(linear: ir.Node, norm: ir.Node) -> bool:
    out = linear.outputs[0]
    if linear.op_type not in ("Conv", "Gemm") or linear.domain not in ONNX:
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
    take_over(model, linear.outputs[0], norm)


def _flag(node: ir.Node, name: str) -> bool:
    return bool(node.attributes.get_int(name, 0))
