# SPDX-License-Identifier: Apache-2.0
"""onnx_ir model -> frozen Graph: constants folded, BatchNormalization in the weights, shapes static.

Example: Conv -> BatchNormalization -> Relu with a Shape/Gather/Reshape chain becomes Conv -> Relu -> Reshape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript.optimizer import fold_constants

from eightbit.errors import InputError, reason
from eightbit.frontend.graph import ONNX, Graph, Node
from eightbit.frontend.load import Loaded
from eightbit.frontend.rehearsal import rehearse
from eightbit.frontend.rewrites.affine import make_normalizations
from eightbit.frontend.rewrites.auto_pad import make_explicit
from eightbit.frontend.rewrites.crops import fold_crops
from eightbit.frontend.rewrites.edit import static_shape
from eightbit.frontend.rewrites.factors import fold_factors
from eightbit.frontend.rewrites.fold import fold_batch_normalization, remove_identities
from eightbit.frontend.rewrites.gates import restore_hard_swish
from eightbit.frontend.rewrites.integers import make_float
from eightbit.frontend.rewrites.pads import fold_pads, pad_by_convolution
from eightbit.frontend.rewrites.spellings import respell

FOLD_LIMIT = 1 << 27  # elements of all that is folded together: no flash holds more, and a node can ask for terabytes
FILL_LIMIT = 1 << 10  # elements of a ConstantOfShape
FIRST_WITH_PLAIN_INITIALIZERS = 4  # IR version; before, each is an input too, and new ones had no shape
GROWING = set("ConstantOfShape EyeLike Expand OneHot Pad Range Resize Tile Upsample".split())
ENDLESS = {"TfIdfVectorizer"}  # its reference loops as often as an attribute says


def simplify(loaded: Loaded) -> Graph:
    """Fold, rewrite and freeze. Works on a copy; every value of the result has a static shape."""
    own = [node for function in loaded.model.functions.values() for node in function.all_nodes()]
    operators = {node.op_type for node in (*loaded.model.graph.all_nodes(), *own)}
    rehearse(operators, loaded.name, lambda: _simplified(loaded))
    return _simplified(loaded)


def _simplified(loaded: Loaded) -> Graph:
    try:
        model = loaded.model.clone()
        model.ir_version = max(model.ir_version, FIRST_WITH_PLAIN_INITIALIZERS)
        common.InlinePass()(model)
        model = fold_all(model)
        integers = make_float(model)
        remove_identities(model)
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
        respell(model)
        restore_hard_swish(model)
        fold_pads(model)
        pad_by_convolution(model)
        fold_crops(model)
        fold_factors(model)
        make_normalizations(model)
        fold_batch_normalization(model)
        common.RemoveUnusedNodesPass()(model)
        common.TopologicalSortPass()(model)
        proto = ir.to_proto(model)
        del proto.graph.value_info[:]
        make_explicit(proto)
        proto = onnx.shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
        return replace(freeze(proto, loaded.name), integers=integers)
    except Exception as error:  # onnx_ir, onnxscript and onnx raise what they like
        raise InputError(
            "the model cannot be simplified",
            where=loaded.name,
            why=reason(error),
            hint="does it run in ONNX Runtime? If it does, please report it with the model",
        ) from error


def fold_all(model: ir.Model) -> ir.Model:
    """Fold constants until nothing changes: what was folded makes more shapes known, and they fold more."""
    affordable = _budget(FOLD_LIMIT)
    while True:
        proto = onnx.shape_inference.infer_shapes(ir.to_proto(model), strict_mode=True, data_prop=True)
        model = ir.from_proto(proto)
        limits = {"input_size_limit": FOLD_LIMIT, "output_size_limit": FOLD_LIMIT}
        found = fold_constants(model, **limits, should_fold=affordable)
        _spell_constants(model)
        if not found.modified:
            return model


def _spell_constants(model: ir.Model) -> None:
    """Give every Constant a tensor: the lists that folding makes of sizes are no attributes of it before opset 12."""
    for node in (node for node in model.graph if node.op_type == "Constant" and node.domain in ONNX):
        for key in ("value_int", "value_ints"):
            if key in node.attributes:
                numbers = ir.tensor(np.array(node.attributes.pop(key).value, np.int64))
                node.attributes["value"] = ir.AttrTensor("value", numbers)


def _budget(elements: int) -> Callable[[ir.Node], bool | None]:
    """Says False of nodes whose results would exceed the elements that are left, else None: as the library likes.

    Where the size of a result is not known, but may be any, it will be when the inputs are folded and inferred from.
    True of a ConstantOfShape that is short, as those that sizes are made of: the library would keep it.
    """
    left = elements

    def affordable(node: ir.Node) -> bool | None:
        nonlocal left
        known = [math.prod(shape) for value in node.outputs if (shape := static_shape(value)) is not None]
        unknown = len(known) < len(node.outputs) and node.op_type in GROWING
        if sum(known) > left or unknown or node.op_type in ENDLESS:
            return False
        left -= sum(known)
        return True if node.op_type == "ConstantOfShape" and sum(known) <= FILL_LIMIT else None

    return affordable


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
        opset=max((item.version for item in proto.opset_import if item.domain in ONNX), default=1),
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
