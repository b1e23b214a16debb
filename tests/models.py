# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models for tests: `model(nodes, inputs, outputs, consts)` from plain Python, and a few ready ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]
OPSET = 17


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    """`node("Conv", "x w b", "y", strides=[2, 2])`: names are split at spaces; "_" leaves an input out."""
    names = ["" if name == "_" else name for name in inputs.split()]
    return helper.make_node(op, names, outputs.split(), **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape | None],
    outputs: Mapping[str, Shape | None],
    consts: Mapping[str, npt.ArrayLike] | None = None,
    *,
    opset: int = OPSET,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """An unchecked model; float64 constants become float32, other arrays stay what they are."""
    tensors = [numpy_helper.from_array(_array(value), name) for name, value in (consts or {}).items()]
    ins = [helper.make_tensor_value_info(name, dtype, shape) for name, shape in inputs.items()]
    outs = [helper.make_tensor_value_info(name, dtype, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(list(nodes), "graph", ins, outs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _array(value: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(value)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def weights(*shape: int, seed: int = 1) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 0.5, shape).astype(np.float32)


def samples(*shape: int, count: int = 4, seed: int = 2) -> npt.NDArray[np.float32]:
    """`count` rows of the given shape (batch axis left out)."""
    return np.random.default_rng(seed).normal(0, 1, (count, *shape)).astype(np.float32)


def one(op: str, shape: Shape, consts: Mapping[str, npt.ArrayLike] | None = None, **rest: Any) -> onnx.ModelProto:
    """One node: input `x`, then `consts` in order, to output `y`, whose shape is left to shape inference."""
    opset, dtype = rest.pop("opset", OPSET), rest.pop("dtype", TensorProto.FLOAT)
    only = node(op, " ".join(["x", *(consts or {})]), "y", **rest)
    return model([only], {"x": shape}, {"y": None}, consts, opset=opset, dtype=dtype)


def dense() -> onnx.ModelProto:
    """x [1, 4] -> Gemm -> Relu -> y [1, 3]: the smallest useful network."""
    nodes = [node("Gemm", "x w b", "h"), node("Relu", "h", "y")]
    return model(nodes, {"x": [1, 4]}, {"y": [1, 3]}, {"w": weights(4, 3), "b": weights(3)})


def conv_relu() -> onnx.ModelProto:
    """x [1, 2, 5, 5] -> Conv 3x3 -> Relu -> y [1, 3, 3, 3]."""
    nodes = [node("Conv", "x w b", "h"), node("Relu", "h", "y")]
    return model(nodes, {"x": [1, 2, 5, 5]}, {"y": [1, 3, 3, 3]}, {"w": weights(3, 2, 3, 3), "b": weights(3)})


def classifier() -> onnx.ModelProto:
    """x [1, 2, 11, 11] -> two convolutions of one size, their sum, an average and a Softmax -> y [1, 3]."""
    nodes = [
        node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Conv", "r v", "d", pads=[1, 1, 1, 1]),
        node("Add", "r d", "s"),
        node("GlobalAveragePool", "s", "g"),
        node("Flatten", "g", "f"),
        node("Softmax", "f", "y"),
    ]
    consts = {"w": weights(3, 2, 3, 3), "b": weights(3), "v": weights(3, 3, 3, 3)}
    return model(nodes, {"x": [1, 2, 11, 11]}, {"y": [1, 3]}, consts)
