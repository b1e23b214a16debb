# SPDX-License-Identifier: Apache-2.0
"""Mutations that put in what exporters rarely write: sparse, typed and string constants, branches in branches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import onnx
from fuzz_numbers import SIZES, SMALL, Rng, pick
from onnx import AttributeProto, TensorProto, helper, numpy_helper

FLOAT_LIKE = (TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16, TensorProto.FLOAT8E4M3FN)
INTEGER_LIKE = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT64, TensorProto.INT4, TensorProto.BOOL)
LEVELS = 20  # of functions that call each other twice
NESTED = 8  # branches in branches, which doubles the nodes each time
REPEATED = 60  # nodes in a row


def constant(rng: Rng, proto: onnx.ModelProto) -> onnx.TensorProto:
    """A constant of the graph, put in where there is none."""
    found = pick(rng, proto.graph.initializer)
    if found is None:
        found = proto.graph.initializer.add()
        found.CopyFrom(numpy_helper.from_array(np.ones(4, np.float32), "put_in"))
    return found


def retyped(rng: Rng, proto: onnx.ModelProto) -> None:
    """A constant becomes one of another type, whole and valid, and is cast back or not."""
    item = constant(rng, proto)
    array, name = numpy_helper.to_array(item), item.name
    kind = pick(rng, (*FLOAT_LIKE, *INTEGER_LIKE))
    item.CopyFrom(helper.make_tensor(name, kind, array.shape, array.reshape(-1).astype(np.float32).tolist()))
    if rng.random() < 0.7:
        item.name = f"{name}/narrow"
        proto.graph.node.insert(0, helper.make_node("Cast", [item.name], [name], to=TensorProto.FLOAT))


def strings(rng: Rng, proto: onnx.ModelProto) -> None:
    """A constant becomes strings, some of them no text."""
    item = constant(rng, proto)
    words = [pick(rng, (b"a", b"", b"\xff\xfe", b"1.5", b"\x00", b"n" * 1000)) for _ in range(3)]
    item.CopyFrom(TensorProto(name=item.name, data_type=TensorProto.STRING, dims=[3], string_data=words))


def emptied(rng: Rng, proto: onnx.ModelProto) -> None:
    """A constant has no elements, or its data twice."""
    item = constant(rng, proto)
    array = numpy_helper.to_array(item)
    if rng.random() < 0.3:
        item.float_data.extend([1.0] * array.size)
        return
    shape = list(array.shape) or [1]
    shape[int(rng.integers(len(shape)))] = 0
    item.CopyFrom(numpy_helper.from_array(np.zeros(shape, array.dtype), item.name))


def sparse(rng: Rng, proto: onnx.ModelProto) -> None:
    """A constant is stored sparsely, with indices that may lie anywhere."""
    item = constant(rng, proto)
    array = numpy_helper.to_array(item).reshape(-1)
    count = min(len(array), 3)
    indices = np.array([pick(rng, SIZES if rng.random() < 0.2 else SMALL) for _ in range(count)], np.int64)
    found = proto.graph.sparse_initializer.add()
    found.values.CopyFrom(numpy_helper.from_array(array[:count], item.name))
    found.indices.CopyFrom(numpy_helper.from_array(np.sort(indices)))
    found.dims.extend(item.dims if rng.random() < 0.8 else [pick(rng, SIZES)])
    proto.graph.initializer.remove(item)


def nested(rng: Rng, proto: onnx.ModelProto) -> None:
    """The first node goes into branches of branches."""
    if not proto.graph.node:
        return
    node = onnx.NodeProto()
    node.CopyFrom(proto.graph.node[0])
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.output]
    for _ in range(1 + int(rng.integers(NESTED))):
        graph = helper.make_graph([node], "branch", [], outputs)
        node = helper.make_node("If", ["chosen"], list(node.output), then_branch=graph, else_branch=graph)
    proto.graph.node[0].CopyFrom(node)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(bool(rng.integers(2))), "chosen"))


def repeated(rng: Rng, proto: onnx.ModelProto) -> None:
    """Many nodes in a row before an input of the first node."""
    if not proto.graph.node or not proto.graph.node[0].input:
        return
    source, count = proto.graph.node[0].input[0], 1 + int(rng.integers(REPEATED))
    operator = str(pick(rng, ("Relu", "Identity", "Tanh", "Neg", "Flatten", "Dropout")))
    row = [source, *(f"row{i}" for i in range(count))]
    nodes = [helper.make_node(operator, [a], [b]) for a, b in pairwise(row)]
    proto.graph.node[0].input[0] = row[-1]
    others = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes, *others])


def doubled(rng: Rng, proto: onnx.ModelProto) -> None:
    """The first node becomes a function that calls another twice, which calls another twice."""
    if not proto.graph.node:
        return
    levels, node = 1 + int(rng.integers(LEVELS)), proto.graph.node[0]
    opsets: Sequence[onnx.OperatorSetIdProto] = [*proto.opset_import, helper.make_opsetid("double", 1)]
    for level in range(levels):
        last = level + 1 == levels
        callee, domain = ("Relu", "") if last else (f"f{level + 1}", "double")
        body = [helper.make_node(callee, [a], [b], domain=domain) for a, b in (("a", "h"), ("h", "b"))]
        proto.functions.append(helper.make_function("double", f"f{level}", ["a"], ["b"], body, opsets))
    del proto.opset_import[:]
    proto.opset_import.extend(opsets)
    node.op_type, node.domain = "f0", "double"
    del node.attribute[:], node.input[1:]


def kept_type(rng: Rng, proto: onnx.ModelProto) -> None:
    """An input or output is an optional, a map or a sparse tensor."""
    value = pick(rng, [*proto.graph.input, *proto.graph.output])
    if value is None:
        return
    kind = int(rng.integers(3))
    value.type.Clear()
    if kind == 0:
        value.type.optional_type.elem_type.tensor_type.elem_type = TensorProto.FLOAT
    elif kind == 1:
        value.type.map_type.key_type = TensorProto.INT64
        value.type.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    else:
        value.type.sparse_tensor_type.elem_type = TensorProto.FLOAT


def annotated(rng: Rng, proto: onnx.ModelProto) -> None:
    """What says something about the model: references to attributes, properties, training, texts, overloads."""
    nodes = [node for node in proto.graph.node if node.attribute]
    match int(rng.integers(5)):
        case 0 if nodes:
            item: AttributeProto = pick(rng, pick(rng, nodes).attribute)
            item.ref_attr_name = str(pick(rng, ("", item.name, "none")))
        case 1:
            proto.metadata_props.add(key="k" * int(rng.integers(3)), value="\x1b[31m")
        case 2:
            proto.training_info.add().algorithm.CopyFrom(proto.graph)
        case 3:
            proto.graph.quantization_annotation.add(tensor_name="x")
        case _:
            proto.graph.doc_string = proto.producer_name = "{% raw %} */ \u202e" * 100
            for node in proto.graph.node:
                node.overload = str(pick(rng, ("", "other")))


STRUCTURES = (retyped, retyped, strings, emptied, sparse, nested, repeated, doubled, kept_type, annotated)
