# SPDX-License-Identifier: Apache-2.0
"""Means and maxima over axes, as exporters spell global pools."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import eightbit
from models import model, node, one, samples, weights
from obstacles_of import obstacles
from rewrites import calls


def pooled(op: str, opset: int, axes: list[int], keep: int, shape: list[int]) -> onnx.ModelProto:
    """x -> Conv -> Relu -> `op` over axes, as attribute or as input, by the opset."""
    given = opset >= 18
    last = node(op, "b axes" if given else "b", "y", keepdims=keep, **({} if given else {"axes": axes}))
    kernel = [3] * (len(shape) - 2)
    nodes = [node("Conv", "x w", "a", kernel_shape=kernel), node("Relu", "a", "b"), last]
    consts = {"w": weights(6, shape[1], *kernel)} | ({"axes": np.array(axes, np.int64)} if given else {})
    return model(nodes, {"x": shape}, {"y": None}, consts, opset=opset)


@pytest.mark.parametrize("opset", [11, 17, 18, 20])
@pytest.mark.parametrize(("axes", "shape"), [([2, 3], [1, 3, 9, 7]), ([-1, -2], [1, 3, 9, 7]), ([2], [1, 3, 40])])
@pytest.mark.parametrize("keep", [0, 1])
def test_a_mean_over_the_image_is_the_call_of_a_global_average(
    opset: int, axes: list[int], shape: list[int], keep: int
) -> None:
    assert calls(pooled("ReduceMean", opset, axes, keep, shape))[-2:] == ["conv", "gap"]


@pytest.mark.parametrize("opset", [13, 18])
def test_a_maximum_over_the_image_is_a_max_pool_of_the_whole(opset: int) -> None:
    assert calls(pooled("ReduceMax", opset, [2, 3], 0, [1, 3, 9, 7]))[-2:] == ["conv", "maxpool"]


@pytest.mark.parametrize("shape", [[1, 3, 9], [1, 3, 9, 7]])
def test_a_global_max_pool_is_a_max_pool_of_the_whole(shape: list[int]) -> None:
    assert calls(one("GlobalMaxPool", shape))[-1] == "maxpool"


@pytest.mark.parametrize("axes", [[1], [3], [1, 2], [1, 2, 3], [0, 2]])
@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax"])
def test_any_axes_are_reduced(op: str, axes: list[int]) -> None:
    assert calls(one(op, [1, 4, 6, 5], axes=axes))[-1] == ("gap" if op == "ReduceMean" else "maxpool")


def test_all_axes_are_reduced_where_none_is_given() -> None:
    assert calls(one("ReduceMean", [1, 4, 6], keepdims=1))[-1] == "gap"


def test_the_mean_over_time_of_rows_of_channels_reads_them_as_they_lie() -> None:
    nodes = [node("MatMul", "x w", "a"), node("ReduceMean", "a", "y", axes=[1], keepdims=0)]
    assert calls(model(nodes, {"x": [1, 20, 6]}, {"y": None}, {"w": weights(6, 8)})) == ["conv", "gap"]


def test_a_reduction_over_nothing_and_over_unknown_axes_is_refused() -> None:
    nothing = one("ReduceMean", [1, 4], opset=18, noop_with_empty_axes=1)
    assert [why for _, why in obstacles(nothing)] == ["it has no axes, so it reduces nothing; leave it out"]


@pytest.mark.parametrize("axes", [[[2, 3]], [[2], [3]], [4], [-5, 2]])
def test_axes_that_are_no_list_of_some_of_the_inputs_are_refused(axes: list[object]) -> None:
    proto = model([node("ReduceMean", "x axes", "y")], {"x": [1, 2, 3, 4]}, {"y": [1, 2, 1, 1]}, opset=18)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array(axes, np.int64), "axes"))
    with pytest.raises(eightbit.InputError):
        eightbit.compile(proto, samples(2, 3, 4))
