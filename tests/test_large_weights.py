# SPDX-License-Identifier: Apache-2.0
"""Weights of several megabytes that a model stores in another order: what rearranges them is folded at any size."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from eightbit.frontend import load
from eightbit.frontend.graph import Graph, Node
from eightbit.frontend.simplify import simplify
from models import model, node

ROWS, COLUMNS = 4096, 1024
STORED = np.random.default_rng(0).standard_normal((ROWS, COLUMNS), np.float32)
TRANSPOSE = node("Transpose", "w", "t", perm=[1, 0])
SHAPES = {"s": np.array([4, 1024, COLUMNS]), "u": np.array([COLUMNS, ROWS])}
CHAINS: dict[str, tuple[list[onnx.NodeProto], dict[str, NDArray[np.generic]]]] = {
    "Transpose": ([TRANSPOSE], {"w": STORED}),
    "Constant, Transpose": ([node("Constant", "", "w", value=numpy_helper.from_array(STORED)), TRANSPOSE], {}),
    "Cast, Transpose": (
        [node("Cast", "h", "w", to=TensorProto.FLOAT), TRANSPOSE],
        {"h": STORED.astype(np.float16)},
    ),
    "Reshape, Transpose, Reshape": (
        [node("Reshape", "w s", "a"), node("Transpose", "a", "b", perm=[2, 0, 1]), node("Reshape", "b u", "t")],
        {"w": STORED, **SHAPES},
    ),
    "Identity, Transpose, Identity": (
        [node("Identity", "w", "a"), node("Transpose", "a", "b", perm=[1, 0]), node("Identity", "b", "t")],
        {"w": STORED},
    ),
}


def only_node(graph: Graph) -> Node:
    (found,) = graph.nodes
    return found


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
def test_a_dense_layer_gets_its_weights_as_it_reads_them(chain: str, op: str) -> None:
    nodes, consts = CHAINS[chain]
    proto = model([*nodes, node(op, "x t", "y")], {"x": [1, COLUMNS]}, {"y": None}, consts)
    graph = simplify(load.load(proto))
    found = graph.consts[only_node(graph).inputs[1]]
    expected = STORED.astype(np.float16).astype(np.float32) if chain.startswith("Cast") else STORED
    assert np.array_equal(found, expected.T)


def test_a_convolution_gets_its_kernels_as_it_reads_them() -> None:
    stored = STORED.reshape(512, 4, 4, 512)  # [out, height, width, in], as TensorFlow stores them
    nodes = [node("Transpose", "w", "t", perm=[0, 3, 1, 2]), node("Conv", "x t", "y")]
    graph = simplify(load.load(model(nodes, {"x": [1, 512, 4, 4]}, {"y": None}, {"w": stored})))
    assert np.array_equal(graph.consts[only_node(graph).inputs[1]], stored.transpose(0, 3, 1, 2))
