# SPDX-License-Identifier: Apache-2.0
"""A small network that reads pixels, as float or as integers, and what its tests ask of it."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

import eightbit
from models import model, node, weights


def network(dtype: int = TensorProto.FLOAT, before: tuple[onnx.NodeProto, ...] = ()) -> onnx.ModelProto:
    """x [1, 6, 5, 3] as a camera gives it -> `before` -> Transpose -> Conv -> Relu -> y."""
    last = before[-1].output[0] if before else "x"
    nodes = [*before, node("Transpose", last, "t", perm=[0, 3, 1, 2]), node("Conv", "t w", "a"), node("Relu", "a", "y")]
    proto = model(nodes, {"x": [1, 6, 5, 3]}, {"y": [1, 4, 4, 3]}, {"w": weights(4, 3, 3, 3)}, dtype=dtype)
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    return proto


def cast(x: str, y: str) -> onnx.NodeProto:
    return node("Cast", x, y, to=TensorProto.FLOAT)


def pixels(low: float = 0, high: float = 255, count: int = 8) -> np.ndarray:
    """Images that reach both ends."""
    x = np.random.default_rng(1).uniform(low, high, (count, 6, 5, 3))
    x.flat[:2] = low, high
    return x


def input_of(build: eightbit.Build) -> tuple[float, int]:
    tensor = build.program.tensors["input"]
    return tensor.scale, tensor.zero_point
