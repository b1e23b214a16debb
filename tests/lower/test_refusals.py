# SPDX-License-Identifier: Apache-2.0
"""Refusals: a graph that cannot become fixed point says why, all obstacles at once, before samples are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import eightbit
from eightbit import pipeline
from eightbit.errors import BudgetError, InputError
from eightbit.frontend import load
from models import conv_relu, dense, model, node, one, samples, weights
from obstacles_of import obstacles, only_reason

BAD = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf, "more than any scale": 3e38}
bad_numbers = pytest.mark.parametrize("bad", BAD.values(), ids=BAD)


# --- operators -----------------------------------------------------------------------------------------------


def test_every_unsupported_operator_is_named_in_one_run() -> None:
    nodes = [node("Erf", "x", "a"), node("Relu", "a", "b"), node("Sin", "b", "c"), node("Cos", "c", "y", name="last")]
    found = obstacles(model(nodes, {"x": [1, 4]}, {"y": None}))
    assert [why for _, why in found] == [f"operator {op} is not supported" for op in ("Erf", "Sin", "Cos")]
    assert found[2][0] == "node 'last' (Cos)"


def test_an_obstacle_is_told_where_it_arises_and_not_again_downstream() -> None:
    nodes = [node("NonZero", "x", "i"), node("Cast", "i", "f", to=TensorProto.FLOAT), node("Relu", "f", "y")]
    found = obstacles(model(nodes, {"x": [1, 4]}, {"y": [2, "n"]}))
    assert [why for _, why in found] == [f"operator {op} is not supported" for op in ("NonZero", "Cast")]


def test_an_operator_of_another_domain_is_named_with_it() -> None:
    proto = model([helper.make_node("Gemm", ["x"], ["y"], domain="acme")], {"x": [1, 4]}, {"y": [1, 4]})
    proto.opset_import.append(helper.make_opsetid("acme", 1))
    assert only_reason(proto) == "operator acme.Gemm is not supported"


def branch(op: str, name: str) -> onnx.GraphProto:
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])
    return helper.make_graph([node(op, "x", name)], name, [], [output])


def test_a_condition_that_is_known_is_resolved_and_one_that_is_not_is_refused() -> None:
    choice = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu", "a"), else_branch=branch("Tanh", "b"))
    assert obstacles(model([choice], {"x": [1, 4]}, {"y": [1, 4]}, {"c": np.array(True)})) == []
    nodes = [node("ReduceProd", "x", "m", keepdims=0), node("Greater", "m zero", "c"), choice]
    found = obstacles(model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"zero": np.float32(0)}))
    assert [why.split()[1] for _, why in found] == ["ReduceProd", "Greater", "If"]


def test_the_way_to_supported_operators_is_told() -> None:
    with pytest.raises(InputError, match="`eightbit ops`"):
        pipeline.float_graph(load.load(one("Erf", [1, 4])))


# --- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["FLOAT16", "DOUBLE", "INT64", "INT8", "UINT8", "BOOL", "STRING", "BFLOAT16"])
def test_only_float32_inputs_are_taken(dtype: str) -> None:
    proto = one("Identity", [1, 4], dtype=getattr(TensorProto, dtype))
    found = obstacles(proto)
    assert found[0][0] == "model input 'x'"
    assert dtype.lower() in found[0][1]


def test_an_unused_input_of_another_type_is_refused_too() -> None:
    proto = one("Relu", [1, 4])
    proto.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.BOOL, [1, 4]))
    assert [where for where, _ in obstacles(proto)] == ["model input 'mask'"]


@pytest.mark.parametrize("shape", [[1, 2**40], [2**31, 2**31, 2**31], [1, 2**63 - 1, 2**63 - 1], [1, 2**13, 2**14]])
def test_a_value_too_large_to_lower_is_refused_by_name(shape: list[int]) -> None:
    found = obstacles(one("Relu", shape))
    assert [where for where, _ in found] == ["model input 'x'"]
    assert "elements" in found[0][1]


@pytest.mark.parametrize("shape", [[1, 40_000], [1, 40_000, 2], [1, 2, 40_000]])
def test_a_size_beyond_16_bits_is_refused(shape: list[int]) -> None:
    with pytest.raises(InputError, match="cannot be expressed in fixed point") as caught:
        eightbit.compile(one("Relu", shape), samples(*shape[1:]))
    assert "40000" in caught.value.why


@pytest.mark.parametrize(
    ("op", "consts", "attributes"),
    [
        ("Conv", {"w": weights(2, 1, 5, 5)}, {}),
        ("Conv", {"w": weights(0, 1, 3, 3)}, {}),
        ("Conv", {"w": weights(1, 1, 3, 3)}, {"dilations": [2**40, 2**40]}),
        ("MaxPool", {}, {"kernel_shape": [5, 5]}),
        ("AveragePool", {}, {"kernel_shape": [5, 5]}),
    ],
)
def test_a_window_larger_than_its_image_is_refused(
    op: str, consts: dict[str, np.ndarray], attributes: dict[str, Any]
) -> None:
    assert only_reason(one(op, [1, 1, 4, 4], consts, **attributes)).endswith("has no elements")


def test_an_output_that_depends_on_no_input_is_refused() -> None:
    proto = model(
        [node("Relu", "x", "y"), node("Relu", "w", "z")], {"x": [1, 4]}, {"y": None, "z": None}, {"w": weights(1, 4)}
    )
    assert obstacles(proto) == [("model output 'z'", "it does not depend on an input")]


def test_an_output_listed_twice_is_refused() -> None:
    proto = dense()
    proto.graph.output.append(proto.graph.output[0])
    assert obstacles(proto) == [("model output 'y'", "it is listed twice")]


@pytest.mark.parametrize(
    ("first", "dtype", "shape"),
    [
        (node("MaxPool", "x", "y more", kernel_shape=[2, 2]), TensorProto.INT64, [1, 2, 3, 3]),
        (node("Dropout", "x", "y more"), TensorProto.BOOL, [1, 2, 4, 4]),
        (node("BatchNormalization", "x s s s s", "y more b c d"), TensorProto.FLOAT, [2]),
    ],
    ids=["MaxPool", "Dropout", "BatchNormalization"],
)
def test_a_further_output_is_ignored_unless_something_reads_it(
    first: onnx.NodeProto, dtype: int, shape: list[int]
) -> None:
    proto = model([first], {"x": [1, 2, 4, 4]}, {"y": None}, {"s": np.ones(2)}, opset=10)
    assert obstacles(proto) == []
    proto.graph.output.append(helper.make_tensor_value_info("more", dtype, shape))
    assert obstacles(proto)


# --- numbers -------------------------------------------------------------------------------------------------


@bad_numbers
@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
def test_weights_must_be_finite_and_of_a_useful_size(op: str, bad: float) -> None:
    w = weights(2, 2, 3, 3) if op == "Conv" else weights(4, 3)
    w.flat[0] = bad
    assert only_reason(one(op, [1, 2, 5, 5] if op == "Conv" else [1, 4], {"w": w})).startswith("'w' must lie within")


@bad_numbers
@pytest.mark.parametrize("op", ["Conv", "Gemm"])
def test_biases_must_be_finite_and_of_a_useful_size(op: str, bad: float) -> None:
    w, shape = (weights(2, 2, 3, 3), [1, 2, 5, 5]) if op == "Conv" else (weights(4, 2), [1, 4])
    assert only_reason(one(op, shape, {"w": w, "b": [bad, 1.0]})).startswith("'b' must lie within")


@bad_numbers
@pytest.mark.parametrize("factor", ["alpha", "beta"])
def test_factors_must_be_finite_and_of_a_useful_size(factor: str, bad: float) -> None:
    proto = one("Gemm", [1, 4], {"w": weights(4, 3), "b": weights(3)}, **{factor: bad})
    assert only_reason(proto).startswith(f"{factor} must lie within")


@bad_numbers
@pytest.mark.parametrize("which", ["scale", "beta", "mean", "variance"])
@pytest.mark.parametrize("folded", [False, True])
def test_statistics_must_be_finite_whether_or_not_they_are_folded(which: str, bad: float, folded: bool) -> None:
    stats = {name: np.ones(2) for name in ("scale", "beta", "mean", "variance")}
    stats[which][0] = bad
    nodes = [node("BatchNormalization", "h scale beta mean variance", "y")]
    nodes.insert(0, node("Conv", "x w", "h") if folded else node("Relu", "x", "h"))
    proto = model(nodes, {"x": [1, 2, 5, 5]}, {"y": None}, {"w": weights(2, 2, 3, 3), **stats})
    if which == "variance" and folded and bad > 0:  # gives a factor of zero, which is a number like others
        assert obstacles(proto) == []
    else:
        assert only_reason(proto)


@pytest.mark.parametrize("variance", [0.0, -1.0])
@pytest.mark.parametrize("folded", [False, True])
def test_a_variance_that_has_no_root_is_refused(variance: float, folded: bool) -> None:
    nodes = [node("BatchNormalization", "h s s s v", "y", epsilon=0.0)]
    nodes.insert(0, node("Conv", "x w", "h") if folded else node("Relu", "x", "h"))
    consts = {"w": weights(2, 2, 3, 3), "s": np.ones(2), "v": np.full(2, variance)}
    assert only_reason(model(nodes, {"x": [1, 2, 5, 5]}, {"y": None}, consts)) == "a variance is not positive"


@pytest.mark.parametrize("opset", [10, 17])
def test_a_clip_takes_infinite_bounds_but_no_nan(opset: int) -> None:
    def clip(low: float, high: float) -> onnx.ModelProto:
        if opset < 11:
            return one("Clip", [1, 4], opset=opset, min=low, max=high)
        return one("Clip", [1, 4], {"low": np.float32(low), "high": np.float32(high)}, opset=opset)

    assert obstacles(clip(-np.inf, np.inf)) == []
    assert only_reason(clip(np.nan, 1.0)) == "a bound is NaN"
    assert only_reason(clip(0.0, np.nan)) == "a bound is NaN"


def test_samples_too_large_for_any_scale_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="value 'x' is too large for fixed point"):
        eightbit.compile(dense(), samples(4) * np.float32(1e30))


def test_a_float_model_that_overflows_is_refused_by_name() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Gemm", "a w", "b"), node("Gemm", "b w", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"y": None}, {"w": weights(4, 4) * np.float32(1e17)})
    with pytest.raises(InputError, match=r"not finite on the samples|too large for fixed point"):
        eightbit.compile(proto, samples(4))


# --- what looks odd and compiles ------------------------------------------------------------------------------

ODD = {
    "a scalar": one("Relu", []),
    "a vector": one("Relu", [4]),
    "nine axes": one("Relu", [*[1] * 8, 4]),
    "a batch of rows": one("Gemm", [3, 4], {"w": weights(4, 2)}),
    "no nodes": model([], {"x": [1, 4]}, {"x": [1, 4]}),
    "an unused input": model([node("Relu", "x", "y")], {"x": [1, 4], "unused": [1, 3]}, {"y": None}),
    "an output that is an input": model([node("Relu", "x", "y")], {"x": [1, 4]}, {"y": None, "x": [1, 4]}),
    "an output read on": model([node("Relu", "x", "h"), node("Tanh", "h", "y")], {"x": [1, 4]}, {"h": None, "y": None}),
    "outputs that are equal": model(
        [node("Relu", "x", "h"), node("Identity", "h", "y")], {"x": [1, 4]}, {"h": None, "y": None}
    ),
    "an identity of an input": model([node("Identity", "x", "y")], {"x": [1, 4]}, {"y": None}),
    "an upper bound below the lower": one("Clip", [1, 4], {"low": np.float32(3), "high": np.float32(1)}),
    "a dead node": model([node("Relu", "x", "y"), node("Erf", "x", "z")], {"x": [1, 4]}, {"y": None}),
    "weights that are all zero": one("Gemm", [1, 4], {"w": np.zeros((4, 2))}),
    "tiny weights": one("Gemm", [1, 4], {"w": np.full((4, 2), 1e-42)}),
}


@pytest.mark.parametrize("proto", ODD.values(), ids=ODD)
def test_an_odd_model_keeps_its_interface_and_runs(proto: onnx.ModelProto) -> None:
    shapes = {item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in proto.graph.input}
    given = {name: samples(*(shape[1:] if shape[:1] == [1] else shape)) for name, shape in shapes.items()}
    build = eightbit.compile(proto, given)
    assert [port.name for port in build.program.inputs] == list(shapes)
    assert [port.name for port in build.program.outputs] == [item.name for item in proto.graph.output]
    assert {len(array) for array in build.simulate(given).values()} == {4}


def test_a_network_that_does_not_fit_a_board_is_the_answer_no() -> None:
    with pytest.raises(BudgetError, match="does not fit the RAM of avr-atmega2560") as caught:
        eightbit.compile(one("Tanh", [1, 5000, 2]), samples(5000, 2), target="avr-atmega2560")
    assert caught.value.exit_status == 1
    assert "8192" in caught.value.why
    assert eightbit.compile(conv_relu(), samples(2, 5, 5), target="avr-atmega2560").target.ram_bytes == 8192
