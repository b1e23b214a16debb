# SPDX-License-Identifier: Apache-2.0
"""Two small networks that together make every kind of call, for tests that run on many targets."""

from __future__ import annotations

import onnx

from models import model, node, weights


def mlp() -> onnx.ModelProto:
    """The shape of a digits network: 64 -> 32 tanh -> 32 sigmoid -> 10 softmax."""
    nodes = [
        node("Flatten", "x", "f"),
        node("Gemm", "f w a", "h"),
        node("Tanh", "h", "i"),
        node("Gemm", "i v b", "j"),
        node("Sigmoid", "j", "k"),
        node("Gemm", "k u c", "l"),
        node("Softmax", "l", "y"),
    ]
    sizes = {"w": (64, 32), "v": (32, 32), "u": (32, 10), "a": (32,), "b": (32,), "c": (10,)}
    return model(nodes, {"x": [1, 1, 8, 8]}, {"y": [1, 10]}, {k: weights(*s) / 3 for k, s in sizes.items()})


def cnn() -> onnx.ModelProto:
    """Every other kind of call: convolutions, of planes and of pixels, to an odd number of channels; depthwise,
    residual, pools with borders, transpose at the end."""
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b d", "c", group=6, pads=[1, 1, 1, 1]),
        node("Add", "b c", "s"),
        node("Conv", "s v", "t", pads=[1, 1, 1, 1]),
        node("AveragePool", "t", "e", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("MaxPool", "e", "y", kernel_shape=[2, 2]),
    ]
    consts = {"w": weights(6, 2, 3, 3), "d": weights(6, 1, 3, 3), "v": weights(5, 6, 3, 3)}
    return model(nodes, {"x": [1, 2, 12, 10]}, {"y": [1, 5, 5, 4]}, consts)


NETWORKS = {"mlp": (mlp(), (1, 8, 8)), "cnn": (cnn(), (2, 12, 10))}
