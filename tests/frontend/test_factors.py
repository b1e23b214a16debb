# SPDX-License-Identifier: Apache-2.0
"""Constant factors before linear layers: they move into the weights, or the model is refused as before."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

import eightbit
from eightbit.frontend import load
from eightbit.frontend.graph import Graph
from eightbit.frontend.simplify import simplify
from models import model, node, weights

W, V = weights(4, 3, 3, 3), weights(5, 3, 1, 1, seed=4)
IMAGE = [1, 6, 5, 3]
MOVED = node("Transpose", "s", "t", perm=[0, 3, 1, 2])


def camera(
    scaling: onnx.NodeProto, number: NDArray[np.generic] | float, dtype: int = TensorProto.UINT8
) -> onnx.ModelProto:
    """x of integers -> Cast -> `scaling` of f by c, giving s -> Transpose -> Conv with padding -> Relu."""
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), scaling, MOVED]
    nodes += [node("Conv", "t w", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "y")]
    proto = model(nodes, {"x": IMAGE}, {"y": [1, 4, 6, 5]}, {"w": W, "c": np.float32(number)}, dtype=TensorProto.UINT8)
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return proto


def pixels(count: int = 12) -> NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (count, 6, 5, 3), np.uint8)


def simple(proto: onnx.ModelProto) -> Graph:
    return simplify(load.load(proto))


@pytest.mark.parametrize(
    ("scaling", "number", "factor"),
    [
        (node("Div", "f c", "s"), 255.0, 1 / 255),
        (node("Mul", "f c", "s"), 1 / 255, float(np.float32(1 / 255))),
        (node("Mul", "c f", "s"), np.full((1, 1, 1, 1), 1 / 128), 1 / 128),
        (node("Mul", "c f", "s"), -2.0, -2.0),
    ],
)
def test_a_camera_network_scales_its_pixels_in_its_weights(
    scaling: onnx.NodeProto, number: NDArray[np.generic] | float, factor: float
) -> None:
    proto, x = camera(scaling, number), pixels()
    graph = simple(proto)
    assert [n.op_type for n in graph.nodes] == ["Transpose", "Conv", "Relu"]
    assert np.array_equal(graph.consts[graph.nodes[1].inputs[1]], (W.astype(np.float64) * factor).astype(np.float32))
    build = eightbit.compile(proto, x)
    assert [call.op for call in build.program.calls] == ["conv", "permute"]
    assert (build.program.tensors["input"].scale, build.program.tensors["input"].zero_point) == (1.0, -128)
    assert eightbit.evaluate(build, proto, x)["sqnr_db"] > 35
    assert build.verify(x).ok


def test_all_layers_that_read_a_scaled_value_are_scaled_and_others_keep_shared_weights() -> None:
    nodes = [
        node("Div", "x c", "s"),
        node("Conv", "s w", "a"),
        node("Conv", "s w", "b"),
        node("Conv", "x w", "d"),
        node("Add", "a b", "e"),
        node("Add", "e d", "y"),
    ]
    proto = model(nodes, {"x": [1, 3, 1, 1]}, {"y": None}, {"w": V, "c": np.float32(4)})
    graph = simple(proto)
    scales = [graph.consts[n.inputs[1]].ravel()[0] / V.ravel()[0] for n in graph.nodes if n.op_type == "Conv"]
    assert sorted(scales) == [0.25, 0.25, 1.0]


@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
def test_dense_layers_take_factors_and_keep_their_bias(op: str) -> None:
    nodes = [node("Mul", "x c", "s"), node(op, "s w" if op == "MatMul" else "s w b", "y")]
    proto = model(nodes, {"x": [1, 3]}, {"y": None}, {"w": weights(3, 4), "b": weights(4), "c": np.float32(8)})
    graph = simple(proto)
    (layer,) = graph.nodes
    assert np.array_equal(graph.consts[layer.inputs[1]], weights(3, 4) * 8)
    assert op == "MatMul" or np.array_equal(graph.consts[layer.inputs[2]], weights(4))


READ_BY_OTHERS = {
    "something else reads it": ([node("Mul", "x c", "s"), node("Relu", "s", "y")], 2.0),
    "a layer and something else read it": (
        [node("Mul", "x c", "s"), node("Conv", "s w", "y"), node("Relu", "s", "z")],
        2.0,
    ),
    "it is a result": ([node("Mul", "x c", "z"), node("Conv", "z w", "y")], 2.0),
    "it differs by channel": ([node("Mul", "x c", "s"), node("Conv", "s w", "y")], np.ones((1, 3, 1, 1))),
    "it is zero": ([node("Mul", "x c", "s"), node("Conv", "s w", "y")], 0.0),
}
REFUSED = {
    "it is no number": (node("Mul", "x c", "s"), np.nan, "its constant operand 'c' is not finite"),
    "it divides by zero": (node("Div", "x c", "s"), 0.0, "operator Div is not supported"),
    "it divides a constant": (node("Div", "c x", "s"), 2.0, "operator Div is not supported"),
    "both are activations": (node("Mul", "x x", "s"), 2.0, "both operands are activations"),
}


def scaled(nodes: list[onnx.NodeProto], number: NDArray[np.generic] | float) -> onnx.ModelProto:
    outputs: dict[str, None] = {"y": None}
    if any("z" in n.output for n in nodes):
        outputs["z"] = None
    return model(nodes, {"x": [1, 3, 4, 4]}, outputs, {"w": V, "c": np.float32(number)})


@pytest.mark.parametrize("why", READ_BY_OTHERS)
def test_other_factors_are_a_call_of_their_own(why: str) -> None:
    graph = simple(scaled(*READ_BY_OTHERS[why]))
    assert graph.nodes[0].op_type == "BatchNormalization"
    assert all(np.array_equal(graph.consts[n.inputs[1]], V) for n in graph.nodes if n.op_type == "Conv")


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_no_factor_is_refused_by_name(why: str) -> None:
    operator, number, reason = REFUSED[why]
    with pytest.raises(eightbit.InputError, match="cannot be compiled") as refused:
        eightbit.compile(scaled([operator, node("Conv", "s w", "y")], number), np.ones((4, 3, 4, 4)))
    assert refused.value.why.startswith(reason)
