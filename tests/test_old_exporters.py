# SPDX-License-Identifier: Apache-2.0
"""Graphs as exporters of former years wrote them: opsets 7 to 11, and every initializer an input too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from models import model, node, weights
from rewrites import calls, rewritten, simple

LAYER = node("Conv", "x w b", "c", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
CONSTS = {"w": weights(4, 3, 3, 3), "b": weights(4), "v": weights(5, 64), "d": weights(5)}


def old(
    nodes: Sequence[onnx.NodeProto], consts: Mapping[str, np.ndarray], opset: int, outputs: Mapping[str, Sequence[int]]
) -> onnx.ModelProto:
    proto = model(nodes, {"x": ["batch_size", 3, 8, 8]}, dict(outputs), consts, opset=opset)
    proto.ir_version = 3
    for item in proto.graph.initializer:
        proto.graph.input.append(helper.make_tensor_value_info(item.name, item.data_type, list(item.dims)))
    return proto


def constant(name: str, value: np.ndarray) -> onnx.NodeProto:
    return node("Constant", "", name, value=numpy_helper.from_array(value, name))


@pytest.mark.parametrize("opset", [9, 10, 11])
def test_the_flatten_of_pytorch_1_calculates_its_size_from_the_batch(opset: int) -> None:
    nodes = [
        LAYER,
        node("Relu", "c", "r"),
        node("Shape", "r", "s"),
        constant("first", np.array(0)),
        node("Gather", "s first", "g", axis=0),
        node("Unsqueeze", "g", "u", axes=[0]),
        constant("rest", np.array([-1])),
        node("Concat", "u rest", "size", axis=0),
        node("Reshape", "r size", "f"),
        node("Gemm", "f v d", "y", transB=1),
    ]
    proto = old(nodes, CONSTS, opset, {"y": ["batch_size", 5]})
    assert rewritten(proto) == ["Conv", "Relu", "Reshape", "Gemm"]
    assert calls(proto)[-2:] == ["conv", "fc"]


def test_a_size_of_a_slice_of_a_shape_is_constant() -> None:
    nodes = [
        LAYER,
        node("Shape", "c", "s"),
        node("Slice", "s", "two", starts=[0], ends=[1], axes=[0]),
        constant("rest", np.array([-1])),
        node("Concat", "two rest", "size", axis=0),
        node("Reshape", "c size", "y"),
    ]
    consts = {key: CONSTS[key] for key in "wb"}
    assert rewritten(old(nodes, consts, 9, {"y": ["batch_size", 64]})) == ["Conv", "Reshape"]


def test_layers_take_in_what_follows_them_though_initializers_are_inputs() -> None:
    norm = {key: weights(4) for key in ("scale", "shift", "mean")} | {"variance": np.ones(4, np.float32)}
    nodes = [
        LAYER,
        node("BatchNormalization", "c scale shift mean variance", "n"),
        node("Relu", "n", "r"),
        node("ReduceMean", "r", "m", axes=[2, 3], keepdims=1),
        node("Reshape", "m size", "f"),
        node("MatMul", "f k", "p"),
        node("Add", "p d", "y"),
    ]
    consts = {key: CONSTS[key] for key in "wbd"} | norm | {"size": np.array([-1, 4]), "k": weights(4, 5)}
    proto = old(nodes, consts, 9, {"y": ["batch_size", 5]})
    assert rewritten(proto) == ["Conv", "Relu", "ReduceMean", "Reshape", "Gemm"]
    assert simple(proto).inputs == ("x",)


def test_a_dropout_of_opset_7_moves_nothing() -> None:
    nodes = [LAYER, node("Dropout", "c", "p", ratio=0.5), node("Relu", "p", "y")]
    assert "conv" in calls(old(nodes, {key: CONSTS[key] for key in "wb"}, 7, {"y": ["batch_size", 4, 4, 4]}))
