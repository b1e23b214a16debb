# SPDX-License-Identifier: Apache-2.0
"""Mutations of ONNX models for the fuzzer: of the message's parts, which keep a valid protobuf, and of its bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from fuzz_numbers import REALS, SIZES, SMALL, Rng, change_tensor, of_bytes, pick, value_of
from fuzz_structures import STRUCTURES
from onnx import AttributeProto, ValueInfoProto, helper, numpy_helper

NAMES = (
    "", " ", "x", "int", "a-b", 'quote"', "line\nbreak", "*/", "??/", "../up", "{{ x }}", "{% raw %}", "é", "\u202e",
    "n" * 10_000, "\\", "%s%n", "main", "__", "0", "\x00",
)  # fmt: skip
DOMAINS = ("ai.onnx", "ai.onnx.ml", "com.microsoft", "com.example")
OPS = (
    *"Add Relu Conv Gemm MatMul Clip MaxPool AveragePool GlobalAveragePool Softmax Sigmoid Tanh Reshape".split(),
    *"Flatten Transpose Squeeze Unsqueeze BatchNormalization Identity Cast Shape Gather Concat Constant".split(),
    *"ConstantOfShape Expand Mul Div Sub Pad Slice Range Loop If Dropout Tile Resize Where Einsum LSTM".split(),
    *"QuantizeLinear Pow ReduceMean Split NonZero Upsample SequenceEmpty Optional RandomNormal Celu".split(),
)
UNARY = ("Relu", "Tanh", "Sigmoid", "Identity", "Softmax", "Flatten", "MaxPool", "Clip", "Cast", "Dropout", "Neg")
RARE = 0.2  # of the mutations put in what exporters rarely write
ATTRIBUTES = (
    *"strides pads kernel_shape dilations group auto_pad ceil_mode count_include_pad axis axes perm alpha beta".split(),
    *"transA transB to value shape epsilon momentum allowzero min max storage_order training_mode keepdims".split(),
)


def mutated(rng: Rng, corpus: Sequence[bytes]) -> tuple[bytes, bool]:
    """A model of the corpus after one to four mutations, and whether it is a valid protobuf by construction."""
    content, times = pick(rng, corpus), 1 + int(rng.geometric(0.6) - 1) % 4
    if rng.random() < 0.2:
        for _ in range(times):
            content = of_bytes(rng, content, corpus)
        return content, False
    proto = onnx.load_model_from_string(content)
    if rng.random() < 0.8:
        loosen(proto)
    for _ in range(times):
        try:
            pick(rng, STRUCTURES if rng.random() < RARE else PARTS)(rng, proto)
        except Exception:  # protobuf refuses some values, and onnx reads no broken constants
            continue
    return proto.SerializeToString(), True


def loosen(proto: onnx.ModelProto) -> None:
    """Leave out what is stated and could be inferred: a change does not contradict it then."""
    del proto.graph.value_info[:]
    for value in proto.graph.output:
        value.type.tensor_type.ClearField("shape")


# --- nodes and edges -----------------------------------------------------------------------------------------


def names(proto: onnx.ModelProto) -> list[str]:
    """Every value's name."""
    graph = proto.graph
    made = [name for node in graph.node for name in node.output]
    return [*(v.name for v in graph.input), *(t.name for t in graph.initializer), *made]


def some_node(rng: Rng, proto: onnx.ModelProto) -> onnx.NodeProto:
    """A node of the graph, put in where there is none."""
    if not proto.graph.node:
        proto.graph.node.append(helper.make_node(pick(rng, OPS), names(proto)[:1], ["made"]))
    return pick(rng, proto.graph.node)


def edge(rng: Rng, proto: onnx.ModelProto) -> None:
    """An input or output of a node is another value, none, a new one, or goes."""
    node = some_node(rng, proto)
    ends = node.input if rng.random() < 0.8 else node.output
    name = pick(rng, [*names(proto), pick(rng, NAMES)])
    if not ends or rng.random() < 0.15:
        ends.append(name)
    elif rng.random() < 0.2:
        del ends[int(rng.integers(len(ends)))]
    else:
        ends[int(rng.integers(len(ends)))] = name


def kind(rng: Rng, proto: onnx.ModelProto) -> None:
    """A node is of another operator, domain or overload."""
    node = some_node(rng, proto)
    if rng.random() < 0.85:
        node.op_type = pick(rng, OPS)
    else:
        node.domain = pick(rng, DOMAINS)


def order(rng: Rng, proto: onnx.ModelProto) -> None:
    """A node goes, comes twice, changes places with another, or there is a new one before an output."""
    nodes = proto.graph.node
    node = some_node(rng, proto)
    match int(rng.integers(5)):
        case 4:
            between(rng, nodes, node)
        case 0:
            nodes.remove(node)
        case 1:
            nodes.add().CopyFrom(node)
        case 2:
            other, kept = pick(rng, nodes), onnx.NodeProto()
            kept.CopyFrom(node)
            node.CopyFrom(other)
            other.CopyFrom(kept)
        case _:
            behind = helper.make_node(pick(rng, OPS), list(node.output[:1]), [f"new{len(nodes)}"])
            nodes.append(behind)
            if proto.graph.output:
                pick(rng, proto.graph.output).name = behind.output[0]


def between(rng: Rng, nodes: Any, node: onnx.NodeProto) -> None:
    """A node of one input comes before an input of the node."""
    if node.input:
        name, new = node.input[0], f"between{len(nodes)}"
        node.input[0] = new
        nodes.insert(0, helper.make_node(str(pick(rng, UNARY)), [name], [new]))
        nodes.sort(key=lambda item: name in item.output, reverse=True)


def branch(rng: Rng, proto: onnx.ModelProto) -> None:
    """A node gets a graph as attribute: that of an If, or whatever its operator makes of it."""
    inner = helper.make_graph([helper.make_node("Relu", names(proto)[:1], ["in"])], "inner", [], [])
    inner.output.add().name = "in"
    node = some_node(rng, proto)
    for key in ("then_branch", "else_branch", "body"):
        if rng.random() < 0.7:
            node.attribute.append(helper.make_attribute(key, inner))
    if rng.random() < 0.5:
        node.op_type = str(pick(rng, ("If", "Loop", "Scan")))


# --- attributes ----------------------------------------------------------------------------------------------


def attribute(rng: Rng, proto: onnx.ModelProto) -> None:
    """An attribute has another value, type or name, is new, or goes."""
    node = some_node(rng, proto)
    if not node.attribute or rng.random() < 0.2:
        values = (
            pick(rng, SIZES),
            [pick(rng, SMALL) for _ in range(int(rng.integers(6)))],
            pick(rng, REALS),
            "SAME_UPPER",
        )
        value = pick(rng, values)
        key = str(pick(rng, ATTRIBUTES))
        kind = AttributeProto.INTS if value == [] else None
        node.attribute.append(helper.make_attribute(key, value, attr_type=kind))
        return
    item = pick(rng, node.attribute)
    match int(rng.integers(6)):
        case 0:
            node.attribute.remove(item)
        case 1:
            item.name = str(pick(rng, ATTRIBUTES))
        case 2:
            item.type = int(rng.integers(0, 15))
        case _:
            value_of(rng, item)


# --- initialisers --------------------------------------------------------------------------------------------


def initialiser(rng: Rng, proto: onnx.ModelProto) -> None:
    """A constant changes, is renamed, goes, or comes twice."""
    tensors = proto.graph.initializer
    item = pick(rng, tensors)
    if item is None:
        tensors.append(numpy_helper.from_array(np.zeros(3, np.float32), str(pick(rng, names(proto)) or "c")))
        return
    match int(rng.integers(8)):
        case 0:
            tensors.remove(item)
        case 1:
            tensors.add().CopyFrom(item)
        case 2:
            item.name = pick(rng, [*names(proto), *NAMES])
        case _:
            change_tensor(rng, item)


# --- shapes and types ----------------------------------------------------------------------------------------


def some_value(rng: Rng, proto: onnx.ModelProto) -> ValueInfoProto:
    """An input, an output, or a value whose shape is stated."""
    graph = proto.graph
    found = pick(rng, [*graph.input, *graph.output, *graph.value_info])
    if found is None or rng.random() < 0.1:
        found = graph.value_info.add()
        found.CopyFrom(helper.make_tensor_value_info(str(pick(rng, names(proto)) or "v"), 1, [1, 2]))
    return found


def shape(rng: Rng, proto: onnx.ModelProto) -> None:
    """A stated size changes, is a symbol, is left open, comes, or goes; or the whole shape does."""
    found = some_value(rng, proto).type.tensor_type
    sizes = found.shape.dim
    if not sizes or rng.random() < 0.1:
        sizes.add().dim_value = pick(rng, SMALL)
        return
    size = pick(rng, sizes)
    match int(rng.integers(6)):
        case 0:
            size.dim_param = pick(rng, NAMES)
        case 1:
            size.Clear()
        case 2:
            sizes.remove(size)
        case 3:
            found.ClearField("shape")
        case 4:
            size.dim_value = pick(rng, SMALL)
        case _:
            size.dim_value = pick(rng, SIZES)


def type_of(rng: Rng, proto: onnx.ModelProto) -> None:
    """A value is of another element type, of no tensor type, or of none."""
    found = some_value(rng, proto).type
    if rng.random() < 0.8:
        found.tensor_type.elem_type = int(rng.integers(0, 27))
    elif rng.random() < 0.5:
        found.sequence_type.elem_type.tensor_type.elem_type = 1
    else:
        found.Clear()


# --- names and the model itself ------------------------------------------------------------------------------


def rename(rng: Rng, proto: onnx.ModelProto) -> None:
    """A value, everywhere it occurs, a node or the graph has an unusual name."""
    new, old = pick(rng, NAMES), pick(rng, names(proto))
    if rng.random() < 0.2:
        proto.graph.name = new
    if rng.random() < 0.3:
        some_node(rng, proto).name = new
    for item in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer, *proto.graph.value_info):
        if item.name == old:
            item.name = new
    for node in proto.graph.node:
        for ends in (node.input, node.output):
            ends[:] = [new if name == old else name for name in ends]


def ports(rng: Rng, proto: onnx.ModelProto) -> None:
    """An input or output comes, goes, comes twice, or has another name."""
    which = proto.graph.input if rng.random() < 0.5 else proto.graph.output
    item = pick(rng, which)
    if item is None or rng.random() < 0.25:
        which.add().CopyFrom(helper.make_tensor_value_info(str(pick(rng, names(proto)) or "p"), 1, [1, 3]))
    elif rng.random() < 0.3:
        which.remove(item)
    elif rng.random() < 0.3:
        which.add().CopyFrom(item)
    else:
        item.name = pick(rng, [*names(proto), *NAMES])


def versions(rng: Rng, proto: onnx.ModelProto) -> None:
    """Another opset or version of the format, or one more domain."""
    if proto.opset_import and rng.random() < 0.6:
        pick(rng, proto.opset_import).version = int(pick(rng, (*range(1, 28), *SIZES)))
    elif rng.random() < 0.5:
        proto.ir_version = pick(rng, SIZES)
    else:
        proto.opset_import.append(helper.make_opsetid(pick(rng, ("", *DOMAINS)), int(rng.integers(30))))


def function(rng: Rng, proto: onnx.ModelProto) -> None:
    """A node's operator is a function of the model: of one node, or one that calls itself."""
    node = some_node(rng, proto)
    inner = node.op_type if rng.random() < 0.3 else "Relu"
    takes = [f"a{number}" for number in range(max(1, len(node.input)))]
    body = [helper.make_node(inner, takes[:1], ["b"], domain=node.domain if inner == node.op_type else "")]
    opsets = [item for item in proto.opset_import if not item.domain] or [helper.make_opsetid("", 17)]
    proto.functions.append(helper.make_function("local", node.op_type, takes, ["b"], body, opsets))
    node.domain = "local"
    proto.opset_import.append(helper.make_opsetid("local", 1))


Part = Callable[[Rng, onnx.ModelProto], None]
PARTS: tuple[Part, ...] = (
    *(edge, edge, kind, order, branch, attribute, attribute, attribute, initialiser, initialiser, initialiser),
    *(shape, shape, type_of, rename, rename, ports, versions, function),
)
