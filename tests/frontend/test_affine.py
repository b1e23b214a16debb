# SPDX-License-Identifier: Apache-2.0
"""Arithmetic with constants: into the layer before, or a BatchNormalization."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from models import model, node, weights
from obstacles_of import obstacles
from rewrites import calls, rewritten, simple

W = weights(4, 3, 3, 3)
SCALE = np.array([0.5, -1.25, 2.0, 0.75], np.float32)
SHIFT = np.array([0.1, -0.3, 0.0, 1.0], np.float32)


def layer(*nodes: onnx.NodeProto, **consts: np.ndarray) -> onnx.ModelProto:
    """x [1, 3, 8, 7] -> Conv -> a, then the nodes, to y."""
    first = node("Conv", "x w", "a", pads=[1, 1, 1, 1])
    return model([first, *nodes], {"x": [1, 3, 8, 7]}, {"y": None}, {"w": W, **consts})


def test_a_normalisation_spelled_as_mul_and_add_moves_into_the_convolution() -> None:
    nodes = [node("Mul", "a s", "b"), node("Add", "b t", "c"), node("Clip", "c zero six", "y")]
    proto = layer(*nodes, s=SCALE.reshape(1, 4, 1, 1), t=SHIFT.reshape(4, 1, 1), zero=np.float32(0), six=np.float32(6))
    assert rewritten(proto) == ["Conv", "Clip"]
    assert calls(proto)[-2:] == ["conv", "permute"]


def test_a_bias_that_was_expanded_to_the_whole_image_moves_into_the_convolution_too() -> None:
    bias = np.broadcast_to(SHIFT.reshape(4, 1, 1), (1, 4, 8, 7))
    assert rewritten(layer(node("Add", "a t", "y"), t=bias)) == ["Conv"]


def test_a_subtraction_and_a_division_move_into_the_convolution() -> None:
    proto = layer(node("Sub", "a t", "b"), node("Div", "b s", "y"), s=SCALE.reshape(1, 4, 1, 1), t=np.float32(0.3))
    assert rewritten(proto) == ["Conv"]


def test_a_constant_minus_a_value_moves_into_the_convolution() -> None:
    assert rewritten(layer(node("Sub", "t a", "b"), node("Neg", "b", "y"), t=SHIFT.reshape(1, 4, 1, 1))) == ["Conv"]


def test_a_layer_that_something_else_reads_keeps_its_weights() -> None:
    nodes = [node("Mul", "a s", "b"), node("Relu", "a", "c"), node("Add", "b c", "y")]
    assert rewritten(layer(*nodes, s=SCALE.reshape(1, 4, 1, 1))) == ["Conv", "BatchNormalization", "Relu", "Add"]


def test_what_the_squeeze_of_a_signal_separates_from_its_convolution_moves_there() -> None:
    axis = np.array([2], np.int64)
    nodes = [
        node("Unsqueeze", "x axis", "u"),
        node("Conv", "u w", "a"),
        node("Squeeze", "a axis", "b"),
        node("Mul", "b s", "c"),
        node("Add", "c t", "y"),
    ]
    consts = {"axis": axis, "w": weights(4, 3, 1, 3), "s": SCALE.reshape(1, 4, 1), "t": SHIFT.reshape(1, 4, 1)}
    proto = model(nodes, {"x": [1, 3, 20]}, {"y": None}, consts)
    assert rewritten(proto) == ["Unsqueeze", "Conv", "Squeeze"]


@pytest.mark.parametrize("shape", [[1, 12, 6], [1, 3, 4, 6]])
def test_a_dense_layer_over_several_rows_takes_its_bias(shape: list[int]) -> None:
    nodes = [node("MatMul", "x w", "a"), node("Add", "b a", "c"), node("Relu", "c", "y")]
    proto = model(nodes, {"x": shape}, {"y": None}, {"w": weights(6, 5), "b": weights(5)})
    assert rewritten(proto) == ["Reshape", "Gemm", "Reshape", "Relu"]
    assert calls(proto) == ["conv"]


def test_a_dense_layer_of_keras_takes_the_bias_behind_its_reshape() -> None:
    nodes = [
        node("Reshape", "x rows", "r"),
        node("MatMul", "r w", "a"),
        node("Reshape", "a back", "b"),
        node("Add", "b t", "y"),
    ]
    rows, back = np.array([-1, 6], np.int64), np.array([1, 10, 4], np.int64)
    consts = {"rows": rows, "back": back, "w": weights(6, 4), "t": SHIFT}
    assert rewritten(model(nodes, {"x": [1, 10, 6]}, {"y": None}, consts)) == ["Reshape", "Gemm", "Reshape"]


def test_the_normalisation_of_an_input_is_one_call() -> None:
    nodes = [node("Sub", "x m", "a"), node("Div", "a s", "b"), node("Conv", "b w", "y", pads=[1, 1, 1, 1])]
    consts = {"m": np.array([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1), "s": np.array([0.2, 0.3, 0.25]).reshape(1, 3, 1, 1)}
    proto = model(nodes, {"x": [1, 3, 8, 7]}, {"y": None}, {**consts, "w": W})
    assert rewritten(proto) == ["BatchNormalization", "Conv"]
    assert [op for op in calls(proto) if op != "permute"] == ["depthwise", "conv"]


def test_the_rescaling_of_an_nhwc_image_copies_nothing() -> None:
    nodes = [
        node("Mul", "x c", "a"),
        node("Add", "a d", "b"),
        node("Transpose", "b", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w", "u"),
        node("Transpose", "u", "y", perm=[0, 2, 3, 1]),
    ]
    consts = {"c": np.float32(1 / 127.5), "d": np.float32(-1), "w": W}
    assert calls(model(nodes, {"x": [1, 8, 7, 3]}, {"y": None}, consts)) == ["depthwise", "conv"]


@pytest.mark.parametrize(
    ("shape", "constant"),
    [
        ([1, 6], np.arange(1, 7).reshape(1, 6)),
        ([6], np.arange(1, 7)),
        ([1, 4, 5], np.linspace(0.5, 2, 20).reshape(4, 5)),
        ([1, 4, 5], np.linspace(0.5, 2, 5)),
        ([1, 2, 3, 4], np.linspace(0.5, 2, 4)),
        ([2, 3], np.array([[0.5], [2.0]])),
        ([2, 3], np.array(0.5)),
        ([1], np.array([3.0])),
    ],
)
@pytest.mark.parametrize("op", ["Mul", "Add"])
def test_constants_along_any_axes_are_taken(shape: list[int], constant: np.ndarray, op: str) -> None:
    proto = model([node(op, "x c", "a"), node("Tanh", "a", "y")], {"x": shape}, {"y": None}, {"c": constant * 1.0})
    assert "BatchNormalization" in rewritten(proto)
    assert calls(proto)[-1] in ("lut", "permute")


def test_a_constant_that_makes_the_result_larger_stays() -> None:
    proto = model([node("Mul", "x c", "y")], {"x": [1, 1, 4]}, {"y": None}, {"c": np.ones((3, 4))})
    assert [n.op_type for n in simple(proto).nodes] == ["Mul"]


def test_every_output_keeps_its_name() -> None:
    nodes = [node("Mul", "x c", "z"), node("Add", "z d", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"z": None, "y": None}, {"c": SCALE, "d": SHIFT})
    assert rewritten(proto) == ["BatchNormalization", "BatchNormalization"]
    assert simple(proto).outputs == ("z", "y")


def test_arithmetic_in_the_branch_of_an_if_is_left_to_its_refusal() -> None:
    """The condition is no constant, so the If stays; its branch reads what lies outside of it."""

    def branch(name: str) -> onnx.GraphProto:
        output = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4])
        return onnx.helper.make_graph([node("Add", "b t", name)], name, [], [output])

    nodes = [node("Mul", "x s", "b"), node("ReduceProd", "x", "m", keepdims=0), node("Greater", "m zero", "c")]
    nodes.append(onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch("p"), else_branch=branch("q")))
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"s": SCALE, "t": SHIFT, "zero": np.float32(0)})
    assert [n.op_type for n in simple(proto).nodes] == ["BatchNormalization", "ReduceProd", "Greater", "If"]


@pytest.mark.parametrize("shape", [[1, 3, 1 << 20, 1 << 20], [1 << 20, 1 << 20]])
def test_an_image_that_no_memory_holds_is_refused_without_being_spread_out(shape: list[int]) -> None:
    """Three constants: one number, and two that together differ in every element of the matrix."""
    nodes = [node("Mul", "x c", "a"), node("Sub", "a c", "y")]
    assert obstacles(model(nodes, {"x": shape}, {"y": None}, {"c": np.float32(2)}))
    long = {"r": np.arange(1 << 18, dtype=np.float32), "c": np.ones((1 << 18, 1)) * SCALE[0]}
    nodes = [node("Mul", "x r", "a"), node("Add", "a c", "b"), node("Sub", "b r", "y")]
    long["c"][0] = 2.0
    assert obstacles(model(nodes, {"x": [1, 1 << 18, 1 << 18]}, {"y": None}, long))
