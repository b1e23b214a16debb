# SPDX-License-Identifier: Apache-2.0
"""Inputs of small integers that become float before anything calculates with them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import eightbit
from camera_networks import cast, input_of, network, pixels
from models import model, node, weights


@pytest.mark.parametrize(("kind", "dtype"), [("uint8", TensorProto.UINT8), ("int8", TensorProto.INT8)])
def test_an_input_of_integers_takes_them_as_they_are(kind: str, dtype: int) -> None:
    proto = network(dtype, (cast("x", "f"),))
    low, high = (0, 40) if kind == "uint8" else (-30, 20)
    x = pixels(low, high).astype(kind)
    build = eightbit.compile(proto, x)
    assert input_of(build) == ((1.0, -128) if kind == "uint8" else (1.0, 0))
    assert build.calibration is not None
    assert build.calibration.ranges["x"] == ((0.0, 255.0) if kind == "uint8" else (-128.0, 127.0))
    assert [call.op for call in build.program.calls] == ["conv", "permute"]
    assert eightbit.evaluate(build, proto, x)["sqnr_db"] > 35
    assert build.verify(x).ok


def test_an_input_of_integers_and_the_same_network_in_float_give_the_same_c() -> None:
    x = pixels(0, 255).astype(np.uint8)
    moved = (node("Identity", "x", "i"), cast("i", "f"))
    plain, direct, indirect = (
        eightbit.compile(proto, x).emission.files
        for proto in (network(), network(TensorProto.UINT8, (cast("x", "f"),)), network(TensorProto.UINT8, moved))
    )
    assert direct == plain
    assert {name for name in plain if indirect[name] != plain[name]} <= {"graph.c"}  # comments name nodes


def test_elements_may_be_moved_before_the_cast_and_several_casts_may_read_them() -> None:
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        cast("t", "f"),
        cast("t", "g"),
        node("Conv", "f w", "a"),
        node("Conv", "g v", "b"),
        node("Add", "a b", "y"),
    ]
    consts = {"w": weights(4, 3, 3, 3), "v": weights(4, 3, 3, 3, seed=5)}
    proto = model(nodes, {"x": [1, 6, 5, 3]}, {"y": None}, consts, dtype=TensorProto.UINT8)
    del proto.graph.output[0]
    proto.graph.output.append(onnx.helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 4, 3]))
    x = pixels().astype(np.uint8)
    build = eightbit.compile(proto, x)
    assert input_of(build) == (1.0, -128)
    assert build.verify(x).ok


@pytest.mark.parametrize("op", ["Relu", "Add", "MaxPool"])
def test_calculations_with_integers_are_refused(op: str) -> None:
    first = {
        "Relu": node("Relu", "x", "i"),
        "Add": node("Add", "x x", "i"),
        "MaxPool": node("MaxPool", "x", "i", kernel_shape=[1, 1]),
    }[op]
    dtype = TensorProto.INT8 if op == "Relu" else TensorProto.UINT8
    with pytest.raises(eightbit.InputError, match="the model has 2 obstacles") as refused:
        eightbit.compile(network(dtype, (first, cast("i", "f"))), pixels().astype(np.uint8) // 2)
    assert "only a Cast to float, and what moves elements before it, may read it" in refused.value.why


@pytest.mark.parametrize(
    ("value", "why"), [(0.5, "0.5 occurs"), (-1, "-1.0 occurs"), (256, "256.0 occurs"), (1e9, "1000000000.0 occurs")]
)
def test_samples_that_an_input_of_integers_cannot_hold_are_refused(value: float, why: str) -> None:
    x = np.round(pixels())
    x[3, 2, 1, 0] = value
    with pytest.raises(eightbit.InputError, match="samples of input 'x' are not uint8") as refused:
        eightbit.compile(network(TensorProto.UINT8, (cast("x", "f"),)), x)
    assert why in refused.value.why
