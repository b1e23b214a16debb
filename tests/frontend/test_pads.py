# SPDX-License-Identifier: Apache-2.0
"""Pads of zeros before windows."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from models import model, node, weights
from obstacles_of import obstacles
from rewrites import calls, rewritten

W = weights(4, 3, 3, 3)


def padded(pads: list[int], *nodes: onnx.NodeProto, opset: int = 17, value: float = 0.0) -> onnx.ModelProto:
    """x [1, 3, 8, 7] -> Relu -> Pad -> p, then the nodes, to y."""
    consts: dict[str, np.ndarray] = {"w": W, "pads": np.array(pads, np.int64), "v": np.array(value, np.float32)}
    pad = node("Pad", "r pads v", "p") if opset >= 11 else node("Pad", "r", "p", pads=pads, value=value)
    nodes = [node("Relu", "x", "r"), pad, *nodes]
    return model(nodes, {"x": [1, 3, 8, 7]}, {"y": None}, consts, opset=opset)


@pytest.mark.parametrize("opset", [9, 13, 17, 20])
def test_a_pad_moves_into_the_convolution_behind_it(opset: int) -> None:
    proto = padded([0, 0, 0, 1, 0, 0, 1, 2], node("Conv", "p w", "y", strides=[2, 2], pads=[1, 0, 0, 1]), opset=opset)
    assert rewritten(proto) == ["Relu", "Conv"]


def test_all_readers_of_a_pad_take_it_or_none() -> None:
    both = [node("Conv", "p w", "a"), node("Conv", "p w", "b"), node("Add", "a b", "y")]
    assert rewritten(padded([0, 0, 1, 1, 0, 0, 1, 1], *both)) == ["Relu", "Conv", "Conv", "Add"]
    other = [node("Conv", "p w", "a"), node("MaxPool", "p", "b", kernel_shape=[3, 3])]
    other += [node("Conv", "b v1", "c"), node("Add", "a c", "y")]
    proto = padded([0, 0, 1, 1, 0, 0, 1, 1], *other)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(weights(4, 3, 1, 1), "v1"))
    assert "Pad" not in rewritten(proto)


def test_a_causal_convolution_of_keras_pads_before_its_unsqueeze() -> None:
    nodes = [
        node("Pad", "x pads", "p"),
        node("Unsqueeze", "p axis", "u"),
        node("Transpose", "u", "t", perm=[0, 3, 1, 2]),
        node("Conv", "t w", "c", dilations=[1, 2]),
        node("Squeeze", "c axis2", "y"),
    ]
    consts = {"pads": np.array([0, 4, 0, 0, 0, 0], np.int64), "w": weights(4, 3, 1, 3)}
    consts |= {"axis": np.array([1], np.int64), "axis2": np.array([2], np.int64)}
    proto = model(nodes, {"x": [1, 20, 3]}, {"y": None}, consts)
    assert rewritten(proto) == ["Unsqueeze", "Transpose", "Conv", "Squeeze"]
    assert "conv" in calls(proto)


def test_the_sizes_that_the_older_exporter_of_pytorch_calculates_are_constant() -> None:
    nodes = [
        node("ConstantOfShape", "n", "zeros", value=onnx.numpy_helper.from_array(np.zeros(1, np.int64))),
        node("Concat", "given zeros", "all", axis=0),
        node("Reshape", "all pairs", "r"),
        node("Slice", "r first last axis step", "s"),
        node("Transpose", "s", "t", perm=[1, 0]),
        node("Reshape", "t flat", "pads"),
        node("Pad", "x pads", "p"),
        node("Conv", "p w", "y"),
    ]
    numbers = {"n": [4], "given": [4, 0], "pairs": [-1, 2], "first": [-1], "last": [-9223372036854775807]}
    numbers |= {"axis": [0], "step": [-1], "flat": [-1]}
    consts = {key: np.array(value, np.int64) for key, value in numbers.items()} | {"w": weights(4, 3, 5)}
    assert rewritten(model(nodes, {"x": [1, 3, 20]}, {"y": None}, consts)) == ["Conv"]


def test_an_average_counts_the_zeros_of_a_pad() -> None:
    proto = padded([0, 0, 1, 1, 0, 0, 1, 1], node("AveragePool", "p", "y", kernel_shape=[3, 3], strides=[2, 2]))
    assert rewritten(proto) == ["Relu", "AveragePool"]


def test_a_max_pool_takes_zeros_only_where_nothing_is_less() -> None:
    pool = node("MaxPool", "p", "y", kernel_shape=[3, 3], strides=[2, 2])
    assert rewritten(padded([0, 0, 1, 1, 0, 0, 1, 1], pool)) == ["Relu", "MaxPool"]
    proto = padded([0, 0, 1, 1, 0, 0, 1, 1], pool)
    proto.graph.node[0].op_type = "Tanh"
    assert rewritten(proto) == ["Tanh", "Conv", "MaxPool"]
    assert rewritten(padded([0, 0, 3, 3, 0, 0, 3, 3], pool)) == ["Relu", "Conv", "MaxPool"]


@pytest.mark.parametrize(("pads", "value"), [([0, 0, 1, 1, 0, 0, 1, 1], 1.0), ([0, 0, -1, 0, 0, 0, 0, 0], 0.0)])
def test_other_pads_stay(pads: list[int], value: float) -> None:
    assert rewritten(padded(pads, node("Conv", "p w", "y"), value=value)) == ["Relu", "Pad", "Conv"]


def test_a_shortcut_that_takes_every_second_pixel_and_adds_channels_compiles() -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1], strides=[2, 2]),
        node("Slice", "x from to axes steps", "s"),
        node("Pad", "s pads", "p"),
        node("Add", "a p", "y"),
    ]
    consts = {"from": [0, 0], "to": [2**62, 2**62], "axes": [2, 3], "steps": [2, 2], "pads": [0, 2, 0, 0, 0, 1, 0, 0]}
    arrays = {key: np.array(value, np.int64) for key, value in consts.items()} | {"w": weights(6, 3, 3, 3)}
    proto = model(nodes, {"x": [1, 3, 9, 8]}, {"y": None}, arrays)
    assert rewritten(proto) == ["Conv", "MaxPool", "Conv", "Add"]
    assert "add" in calls(proto)


def test_a_pad_that_is_a_result_is_a_convolution_of_single_cells() -> None:
    proto = model(
        [node("Pad", "x pads", "y")], {"x": [1, 3, 8, 7]}, {"y": None}, {"pads": np.array([0, 0, 1, 0, 0, 0, 2, 3])}
    )
    assert rewritten(proto) == ["Conv"]
    assert "depthwise" in calls(proto, 35)


def test_a_pad_of_more_channels_than_weights_can_be_is_refused() -> None:
    pads = np.array([0, 400_000, 0, 0, 0, 0], np.int64)
    found = obstacles(model([node("Pad", "x pads", "y")], {"x": [1, 3, 5]}, {"y": None}, {"pads": pads}))
    assert [why for _, why in found] == ["operator Pad is not supported"]
