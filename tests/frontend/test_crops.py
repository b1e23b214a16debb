# SPDX-License-Identifier: Apache-2.0
"""Slices that crop what a convolution padded, and those that take every n-th pixel."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from models import model, node, weights
from rewrites import calls, rewritten


def sliced(numbers: list[list[int]], opset: int = 17, **conv: object) -> onnx.ModelProto:
    """x [1, 3, 20] -> Conv -> Slice -> Relu; `numbers` are starts, ends, axes and perhaps steps."""
    keys = ("starts", "ends", "axes", "steps")[: len(numbers)]
    given = dict(zip(keys, numbers, strict=True))
    cut = node("Slice", " ".join(["a", *keys]), "b") if opset >= 10 else node("Slice", "a", "b", **given)
    nodes = [node("Conv", "x w", "a", **conv), cut, node("Relu", "b", "y")]
    consts = {"w": weights(4, 3, 3)} | {key: np.array(value, np.int64) for key, value in given.items()}
    return model(nodes, {"x": [1, 3, 20]}, {"y": None}, consts, opset=opset)


@pytest.mark.parametrize("opset", [9, 11, 17])
def test_a_causal_convolution_that_is_cropped_pads_one_side_only(opset: int) -> None:
    proto = sliced([[0], [-4], [2]], opset, dilations=[2], pads=[4, 4])
    assert rewritten(proto) == ["Conv", "Relu"]
    assert "conv" in calls(proto)


def test_a_crop_at_both_ends_of_a_strided_convolution_is_less_padding() -> None:
    assert rewritten(sliced([[1], [-1], [-1]], strides=[2], pads=[3, 3])) == ["Conv", "Relu"]


def test_every_second_element_is_a_max_pool_of_single_cells() -> None:
    proto = sliced([[0], [2**62], [2], [2]])
    assert rewritten(proto) == ["Conv", "MaxPool", "Relu"]
    assert "maxpool" in calls(proto)


@pytest.mark.parametrize(
    "numbers", [[[0], [-5], [2]], [[1], [2**62], [2], [2]], [[0], [2], [1]], [[-1], [-(2**62)], [2], [-1]]]
)
def test_other_slices_stay(numbers: list[list[int]]) -> None:
    assert rewritten(sliced(numbers, pads=[4, 4])) == ["Conv", "Slice", "Relu"]
