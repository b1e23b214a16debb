# SPDX-License-Identifier: Apache-2.0
"""Refusals of attributes, and of what does not fit them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import eightbit
from eightbit.errors import InputError
from models import model, node, one, weights
from obstacles_of import only_reason


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [0, 1]}, {"strides": [-1, 1]}, {"strides": [1]}, {"strides": [1, 1, 1]}, {"strides": [40_000, 1]},
        {"strides": 1.5}, {"strides": [2**40, 1]}, {"dilations": [0, 1]}, {"dilations": [1]}, {"pads": [0, 0]},
        {"pads": [-1, 0, 0, 0]}, {"pads": [2**40] * 4}, {"pads": [40_000, 0, 0, 0]}, {"kernel_shape": [0, 3]},
        {"kernel_shape": [3]}, {"kernel_shape": [3, 3, 3]}, {"auto_pad": "FULL"}, {"auto_pad": ""}, {"rotate": 1},
    ],
    ids=str,
)  # fmt: skip
def test_a_window_whose_attributes_make_no_sense_is_refused(op: str, attributes: dict[str, Any]) -> None:
    shape = {} if op == "Conv" else {"kernel_shape": [3, 3]}
    proto = one(op, [1, 2, 5, 5], {"w": weights(2, 2, 3, 3)} if op == "Conv" else {}, opset=19, **shape | attributes)
    with pytest.raises(InputError) as caught:
        eightbit.compile(proto, "no such file.npz")
    assert "no such file" not in str(caught.value)


@pytest.mark.parametrize("group", [0, -1, 3, 2**40])
def test_groups_that_do_not_divide_the_channels_are_refused(group: int) -> None:
    assert f"group {group} " in only_reason(one("Conv", [1, 2, 5, 5], {"w": weights(2, 2, 3, 3)}, group=group))


@pytest.mark.parametrize("bias", [weights(3), weights(2, 1), weights(), weights(1)])
def test_a_bias_that_does_not_fit_its_channels_is_refused(bias: np.ndarray) -> None:
    assert "bias" in only_reason(one("Conv", [1, 2, 5, 5], {"w": weights(2, 2, 3, 3), "b": bias}))


def test_a_bias_that_does_not_broadcast_to_the_result_is_refused() -> None:
    assert "bias [4]" in only_reason(one("Gemm", [1, 4], {"w": weights(4, 3), "b": weights(4)}))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
def test_a_pool_with_a_window_in_the_padding_alone_is_refused(op: str) -> None:
    assert "not defined" in only_reason(one(op, [1, 1, 3, 3], kernel_shape=[2, 2], pads=[2, 2, 2, 2]))


@pytest.mark.parametrize(
    ("op", "consts", "attributes"),
    [
        ("Conv", {"w": weights(1, 1, 3, 3)}, {}),
        ("MaxPool", {}, {"kernel_shape": [2, 2]}),
        ("GlobalAveragePool", {}, {}),
    ],
)
def test_a_batch_of_images_is_refused(op: str, consts: dict[str, np.ndarray], attributes: dict[str, Any]) -> None:
    assert "2" in only_reason(one(op, [2, 1, 5, 5], consts, **attributes))


@pytest.mark.parametrize("op", ["Conv", "MaxPool", "AveragePool", "GlobalAveragePool"])
def test_volumes_are_refused(op: str) -> None:
    consts = {"w": weights(1, 1, 2, 2, 2)} if op == "Conv" else {}
    shape = {"kernel_shape": [2, 2, 2]} if op.endswith("Pool") and op[0] != "G" else {}
    assert only_reason(one(op, [1, 1, 4, 4, 4], consts, **shape))


@pytest.mark.parametrize(
    "proto",
    [
        model([node("Conv", "x w", "y")], {"x": [1, 2, 5, 5], "w": [2, 2, 3, 3]}, {"y": None}),
        model([node("Gemm", "x x", "y")], {"x": [4, 4]}, {"y": None}),
        model([node("Gemm", "w x", "y")], {"x": [4, 1]}, {"y": None}, {"w": weights(3, 4)}),
        model([node("MatMul", "x x", "y")], {"x": [4, 4]}, {"y": None}),
        model([node("BatchNormalization", "x s s s s", "y")], {"x": [1, 2, 3, 3], "s": [2]}, {"y": None}),
        model([node("Clip", "x low", "y")], {"x": [1, 4], "low": []}, {"y": None}),
    ],
    ids=lambda proto: str(proto.graph.node[0].op_type),
)
def test_operands_that_must_be_constant_are_asked_for(proto: onnx.ModelProto) -> None:
    assert "constant" in only_reason(proto)


def test_a_transpose_of_another_rank_is_refused() -> None:
    assert only_reason(one("Transpose", [1, 2, 3], perm=[0, 1])) == "perm [0, 1] does not fit an input of 3 axes"


def test_a_transpose_of_seven_axes_is_refused() -> None:
    assert "7 axes" in only_reason(one("Transpose", [1, *[2] * 7]))


def test_training_mode_is_refused() -> None:
    proto = model(
        [node("Dropout", "x r t", "y")], {"x": [1, 4]}, {"y": None}, {"r": np.float32(0.5), "t": np.array(True)}
    )
    assert "training mode" in only_reason(proto)
