# SPDX-License-Identifier: Apache-2.0
"""onnx_ir model -> frozen Graph: constants folded, BatchNormalization in the weights, shapes static.

Example: Conv -> BatchNormalization -> Relu with a Shape/Gather/Reshape chain becomes Conv -> Relu -> Reshape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes import common
from onnxscript.optimizer import fold_constants

from eightbit.errors import InputError, reason
from eightbit.graph import Graph, Node
from eightbit.load import Loaded
from eightbit.padding import make_explicit

FOLD_LIMIT = 1 << 30  # fold whatever its size: a large weight's transpose is a constant too


def simplify(loaded: Loaded) -> Graph:
    """Fold, rewrite and freeze. Works on a copy; every value of the result has a static shape."""
    try:
        model = loaded.model.clone()
        common.InlinePass()(model)
        model = fold_all(model)
        remove_identities(model)
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        fold_batch_normalization(model)
        common.RemoveUnusedNodesPass()(model)
        common.TopologicalSortPass()(model)
        proto = ir.to_proto(model)
        del proto.graph.value_info[:]
        make_explicit(proto)
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
        return freeze(proto, loaded.name)
    except Exception as error:  # onnx_ir, onnxscript and onnx raise what they like
        raise InputError(
            "the model cannot be simplified",
            where=loaded.name,
            why=reason(error),
            hint="does it run in ONNX Runtime? If it does, please report it with the model",
        ) from error


def fold_all(model: ir.Model) -> ir.Model:
    """Fold constants until nothing changes: what was folded makes more shapes known, and they fold more."""
    while True:
        proto = onnx.shape_inference.infer_shapes(ir.to_proto(model), strict_mode=True, data_prop=True)
        model = ir.from_proto(proto)
        if not fold_constants(model, input_size_limit=FOLD_LIMIT, output_size_limit=FOLD_LIMIT).modified:
            return model


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
    gamma, variance = _array(norm.inputs[1]), _array(norm.inputs[4])
    with np.errstate(all="ignore"):
        return np.asarray(gamma / np.sqrt(variance + norm.attributes.get_float("epsilon", 1e-5)))


def _fold_into(model: ir.Model, linear: ir.Node, norm: ir.Node) -> None:
    beta, mean, factor = _array(norm.inputs[2]), _array(norm.inputs[3]), _factor(norm)
    weights = _array(linear.inputs[1])
    bias = _array(linear.inputs[2]) if len(linear.inputs) > 2 and linear.inputs[2] is not None else np.zeros(1)
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
    linear.replace_input_with(1, _initializer(model, f"{stem}/folded_weight", weights))
    linear.replace_input_with(2, _initializer(model, f"{stem}/folded_bias", bias))
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


def _array(value: ir.Value | None) -> NDArray[np.float64]:
    if value is None or value.const_value is None:
        raise ValueError("not a constant")  # _foldable looked
    return value.const_value.numpy().astype(np.float64)


def _initializer(model: ir.Model, name: str, array: NDArray[np.float64]) -> ir.Value:
    while name in model.graph.initializers:
        name += "_"
    tensor = ir.tensor(array.astype(np.float32), name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    return value


def freeze(proto: onnx.ModelProto, name: str) -> Graph:
    """An ONNX model with inferred shapes as a Graph; refuses what has no static shape."""
    graph = proto.graph
    consts = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer}
    values = [*graph.input, *graph.value_info, *graph.output]
    shapes = {v.name: _shape(v) for v in values}
    types = {v.name: onnx.TensorProto.DataType.Name(v.type.tensor_type.elem_type) for v in values}
    nodes = tuple(
        Node(
            node.op_type,
            "" if node.domain == "ai.onnx" else node.domain,
            node.name,
            tuple(node.input),
            tuple(node.output),
            {item.name: _attribute(item) for item in node.attribute},
        )
        for node in graph.node
    )
    return Graph(
        name=name,
        inputs=tuple(v.name for v in graph.input if v.name not in consts),
        outputs=tuple(v.name for v in graph.output),
        nodes=nodes,
        consts=consts,
        shapes={key: shape for key, shape in shapes.items() if shape is not None},
        types=types,
        opset=max((item.version for item in proto.opset_import if item.domain in ("", "ai.onnx")), default=1),
        model=proto.SerializeToString(deterministic=True),
    )


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    if any(not dim.HasField("dim_value") for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)


def _attribute(item: onnx.AttributeProto) -> Any:
    value = onnx.helper.get_attribute_value(item)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    return value
