# SPDX-License-Identifier: Apache-2.0
"""Other spellings of operators that compile, and what is said of the end of a model."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from eightbit import pipeline
from eightbit.frontend import load
from models import model, node, one, weights
from rewrites import calls, rewritten


def behind_a_layer(*nodes: onnx.NodeProto, opset: int = 17) -> onnx.ModelProto:
    """x [1, 6] -> Gemm -> a, and the nodes, to y."""
    consts = {"w": weights(6, 6), "b": weights(6), "zero": np.float32(0), "six": np.float32([6])}
    return model([node("Gemm", "x w b", "a"), *nodes], {"x": [1, 6]}, {"y": None}, consts, opset=opset)


@pytest.mark.parametrize("opset", [9, 13, 22])
@pytest.mark.parametrize("order", ["a zero", "zero a"])
def test_a_maximum_with_zero_is_a_relu_and_a_minimum_a_clip(opset: int, order: str) -> None:
    proto = behind_a_layer(node("Max", order, "r"), node("Min", "r six", "y"), opset=opset)
    assert rewritten(proto) == ["Gemm", "Relu", "Clip"]
    assert calls(proto) == ["fc"]


def test_a_maximum_of_two_activations_stays() -> None:
    assert rewritten(behind_a_layer(node("Max", "a x", "y"))) == ["Gemm", "Max"]


@pytest.mark.parametrize(("inputs", "adds"), [("a x", 1), ("a x a", 2)])
def test_a_sum_is_as_many_adds_as_it_takes(inputs: str, adds: int) -> None:
    proto = behind_a_layer(node("Sum", inputs, "y"))
    assert rewritten(proto) == ["Gemm"] + ["Add"] * adds
    assert calls(proto) == ["fc"] + ["add"] * adds


def test_a_difference_is_a_sum_with_negative_weights() -> None:
    proto = behind_a_layer(node("Sub", "x a", "y"))
    assert rewritten(proto) == ["Gemm", "Add"]
    assert calls(proto) == ["fc", "add"]


def hints(proto: onnx.ModelProto) -> list[str]:
    return [found.hint for found in pipeline.surveyed(load.load(proto))[1]]


def test_the_argmax_at_the_end_of_a_model_is_said_to_be_there_already() -> None:
    nodes = [node("ArgMax", "a", "i", axis=1, keepdims=1), node("Cast", "i", "f", to=TensorProto.FLOAT)]
    found = hints(behind_a_layer(*nodes, node("Identity", "f", "y")))
    assert "<model>_argmax gives it" in found[0]
    assert all(hint.startswith("cut it off (onnx.utils.extract_model does)") for hint in found)


def test_a_softmax_is_offered_for_a_log_softmax() -> None:
    assert "a Softmax instead of it compiles" in hints(one("LogSoftmax", [1, 6]))[0]


def test_what_something_else_depends_on_is_not_to_be_cut_off() -> None:
    assert hints(behind_a_layer(node("Sin", "a", "s"), node("Relu", "s", "y")))[0].startswith("build the model without")
