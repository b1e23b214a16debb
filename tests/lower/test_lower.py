# SPDX-License-Identifier: Apache-2.0
"""Lowering: which calls a graph becomes, and that layouts cost nothing where they can."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import eightbit
from eightbit import lower
from models import model, node, one, samples, weights

OPSETS = (11, 13, 17, 22)


def ops_of(proto: onnx.ModelProto, *shape: int) -> list[str]:
    """The operators of the compiled program, in order."""
    return [call.op for call in compiled(proto, *shape).program.calls]


def compiled(proto: onnx.ModelProto, *shape: int) -> eightbit.Build:
    return eightbit.compile(proto, samples(*shape, count=16))


def decibels(proto: onnx.ModelProto, *shape: int) -> float:
    x = samples(*shape, count=16)
    value = eightbit.evaluate(eightbit.compile(proto, x), proto, x)["sqnr_db"]
    return 200.0 if value is None else float(value)


def test_an_nchw_convolution_reads_the_planes_of_the_input_without_a_copy() -> None:
    proto = one("Conv", [1, 3, 6, 5], {"w": weights(4, 3, 3, 3)})
    build = compiled(proto, 3, 6, 5)
    assert [c.op for c in build.program.calls] == ["reshape", "conv", "permute"]
    assert build.program.tensors["reshape_1"].order == "CHW"
    assert build.layout.places["reshape_1"] == build.layout.places["input"]


def test_a_transpose_at_both_ends_of_an_nhwc_model_vanishes() -> None:
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Conv", "a w", "b"),
        node("Transpose", "b", "y", perm=[0, 2, 3, 1]),
    ]
    proto = model(nodes, {"x": [1, 6, 5, 3]}, {"y": [1, 4, 3, 4]}, {"w": weights(4, 3, 3, 3)})
    assert ops_of(proto, 6, 5, 3) == ["conv"]


def test_a_flatten_before_a_dense_layer_is_folded_into_its_weight_columns() -> None:
    nodes = [node("Conv", "x w", "a"), node("Flatten", "a", "b"), node("Gemm", "b v", "y")]
    consts = {"w": weights(4, 3, 3, 3), "v": weights(48, 5)}
    proto = model(nodes, {"x": [1, 3, 6, 5]}, {"y": [1, 5]}, consts)
    assert ops_of(proto, 3, 6, 5) == ["reshape", "conv", "fc"]
    assert decibels(proto, 3, 6, 5) > 30


def test_a_relu_becomes_the_clamp_of_the_call_before() -> None:
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("MaxPool", "b", "y", kernel_shape=[2, 2])]
    proto = model(nodes, {"x": [1, 1, 6, 5]}, {"y": [1, 4, 3, 2]}, {"w": weights(4, 1, 3, 3)})
    program = compiled(proto, 1, 6, 5).program
    assert [c.op for c in program.calls] == ["conv", "maxpool", "permute"]
    conv = program.calls[0]
    assert conv.params.act_min == program.tensors[conv.output].zero_point


def test_a_relu_whose_input_is_an_output_too_stays_a_call() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Relu", "a", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"a": [1, 3], "y": [1, 3]}, {"w": weights(4, 3)})
    assert ops_of(proto, 4) == ["fc", "clamp"]


def test_a_pool_that_covers_the_image_is_a_global_average() -> None:
    assert ops_of(one("AveragePool", [1, 3, 4, 5], kernel_shape=[4, 5]), 3, 4, 5) == ["reshape", "gap", "reshape"]


def test_a_depthwise_convolution_with_multiplier_keeps_the_channel_order() -> None:
    proto = one("Conv", [1, 3, 5, 5], {"w": weights(6, 1, 3, 3)}, group=3)
    assert "depthwise" in ops_of(proto, 3, 5, 5)
    assert decibels(proto, 3, 5, 5) > 30


def test_batch_normalization_is_folded_into_the_convolution_before_it() -> None:
    nodes = [node("Conv", "x w", "a"), node("BatchNormalization", "a g b m v", "y")]
    consts = {"w": weights(4, 1, 3, 3), "g": weights(4), "b": weights(4), "m": weights(4), "v": abs(weights(4)) + 0.1}
    proto = model(nodes, {"x": [1, 1, 6, 5]}, {"y": [1, 4, 4, 3]}, consts)
    assert ops_of(proto, 1, 6, 5) == ["conv", "permute"]
    assert decibels(proto, 1, 6, 5) > 30


@pytest.mark.parametrize("shape", [(), (1,), (4,), (1, 4), (4, 4), (4, 1)])
def test_batch_normalization_folds_into_a_dense_layer_with_any_bias(shape: tuple[int, ...]) -> None:
    nodes = [node("Gemm", "x w c", "a", alpha=0.5, beta=2.0), node("BatchNormalization", "a g b m v", "y")]
    consts = {"g": weights(4), "b": weights(4), "m": weights(4), "v": abs(weights(4)) + 0.1}
    consts |= {"w": weights(6, 4), "c": weights(*shape)}
    x = samples(4, 6, count=16)
    proto = model(nodes, {"x": [4, 6]}, {"y": [4, 4]}, consts)
    build = eightbit.compile(proto, x)
    assert build.program.calls[0].op == ("fc" if shape in ((4, 4), (4, 1)) else "conv")
    assert eightbit.evaluate(build, proto, x)["sqnr_db"] > 30


def test_batch_normalization_alone_is_a_depthwise_call() -> None:
    consts = {"g": weights(4), "b": weights(4), "m": weights(4), "v": abs(weights(4)) + 0.1}
    proto = one("BatchNormalization", [1, 4, 6, 5], consts)
    assert "depthwise" in ops_of(proto, 4, 6, 5)
    assert decibels(proto, 4, 6, 5) > 30


def test_a_dense_layer_over_several_rows_is_a_pointwise_convolution() -> None:
    proto = one("MatMul", [1, 7, 4], {"w": weights(4, 3)})
    assert ops_of(proto, 7, 4) == ["conv"]
    assert decibels(proto, 7, 4) > 30


@pytest.mark.parametrize("shape", [(5, 4), (4,)])
def test_constant_weights_may_stand_on_the_left_of_a_matmul(shape: tuple[int, ...]) -> None:
    nodes = [node("MatMul", "w x", "y")]
    full = [4, 6] if shape == (5, 4) else [4]
    proto = model(nodes, {"x": full}, {"y": None}, {"w": weights(3, 4)})
    assert decibels(proto, *full) > 30


@pytest.mark.parametrize("opset", OPSETS)
def test_softmax_before_opset_13_runs_over_all_axes_from_its_axis_on(opset: int) -> None:
    proto = one("Softmax", [1, 3, 4, 2], opset=opset, axis=1)
    x = samples(3, 4, 2)
    build = eightbit.compile(proto, x)
    softmax = next(call for call in build.program.calls if call.op == "softmax")
    assert softmax.params.ch == (24 if opset < 13 else 3)
    total = build.simulate_float(x)["y"].reshape(4, 3, 8).sum(axis=1)
    assert opset < 13 or abs(total - 1).max() < 0.02


def test_several_transposes_and_reshapes_end_in_one_permute() -> None:
    nodes = [
        node("Transpose", "x", "a", perm=[0, 2, 1, 3]),
        node("Reshape", "a s", "b"),
        node("Transpose", "b", "y", perm=[0, 2, 1]),
    ]
    proto = model(nodes, {"x": [1, 2, 3, 4]}, {"y": [1, 8, 3]}, {"s": np.array([1, 3, 8])})
    x = samples(2, 3, 4)
    build = eightbit.compile(proto, x)
    assert [c.op for c in build.program.calls] == ["permute"]
    expected = x.transpose(0, 2, 1, 3).reshape(4, 3, 8).transpose(0, 2, 1)
    step = build.program.tensors["input"].scale
    assert abs(build.simulate_float(x)["y"][:, 0] - expected).max() <= step / 2 + 1e-6


def test_the_range_of_a_relu_is_measured_after_it() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Clip", "a lo hi", "y")]
    consts = {"w": 100 * np.eye(4), "lo": np.float32(0), "hi": np.float32(6)}
    build = compiled(model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, consts), 4)
    out = build.program.tensors[build.program.outputs[0].tensor]
    assert out.scale * 255 == pytest.approx(6, rel=1e-3)
    assert out.zero_point == -128


@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
def test_an_add_of_a_constant_is_the_bias_of_the_dense_layer_before(op: str) -> None:
    proto = model(
        [node(op, "x w", "a"), node("Add", "b a", "y")],
        {"x": [1, 6]},
        {"y": [1, 4]},
        {"w": weights(6, 4), "b": weights(4)},
    )
    assert ops_of(proto, 6) == ["fc"]
    assert decibels(proto, 6) > 30


def test_a_bias_that_is_expanded_as_pytorch_exports_it_is_a_constant() -> None:
    one_each = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    nodes = [
        node("MatMul", "x w", "a"),
        node("ConstantOfShape", "rank", "ones", value=one_each),
        node("Mul", "ones minus", "unchanged"),
        node("Equal", "asked unchanged", "same"),
        node("Where", "same ones asked", "shape"),
        node("Expand", "b shape", "c"),
        node("Add", "a c", "y"),
    ]
    sizes = {"rank": np.array([2]), "minus": np.array(-1), "asked": np.array([-1, 4])}
    proto = model(nodes, {"x": [1, 6]}, {"y": [1, 4]}, {"w": weights(6, 4), "b": weights(4), **sizes})
    assert ops_of(proto, 6) == ["fc"]
    assert decibels(proto, 6) > 30


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (4, 1, 1), (1,)])
def test_an_add_of_a_constant_is_the_bias_of_the_convolution_before(shape: tuple[int, ...]) -> None:
    nodes = [node("Conv", "x w c", "a"), node("Add", "a b", "y")]
    consts = {"w": weights(4, 1, 3, 3), "c": weights(4), "b": weights(*shape)}
    proto = model(nodes, {"x": [1, 1, 6, 5]}, {"y": [1, 4, 4, 3]}, consts)
    assert ops_of(proto, 1, 6, 5) == ["conv", "permute"]
    assert decibels(proto, 1, 6, 5) > 30


def test_a_residual_sum_adds_tensors_stored_in_different_orders() -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Add", "b x", "c"),
        node("Relu", "c", "y"),
    ]
    proto = model(nodes, {"x": [1, 3, 6, 5]}, {"y": [1, 3, 6, 5]}, {"w": weights(3, 3, 3, 3)})
    x = samples(3, 6, 5, count=16)
    build = eightbit.compile(proto, x)
    assert [c.op for c in build.program.calls] == ["reshape", "conv", "permute", "add", "permute"]
    assert build.verify(x).ok
    assert eightbit.evaluate(build, proto, x)["sqnr_db"] > 30


def test_operands_of_different_shapes_are_refused() -> None:
    proto = model([node("Add", "x z", "y")], {"x": [1, 3, 4], "z": [1, 1, 4]}, {"y": [1, 3, 4]})
    with pytest.raises(eightbit.InputError, match="cannot be compiled") as refused:
        eightbit.compile(proto, {"x": samples(3, 4), "z": samples(1, 4)})
    assert "different shapes" in refused.value.why


def test_no_two_files_speak_for_one_onnx_operator() -> None:
    names = [name for rules, _ in lower.families() for name in rules]
    assert len(names) == len(set(names))
