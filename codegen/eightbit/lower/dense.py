# SPDX-License-Identifier: Apache-2.0
"""Gemm and MatMul with constant weights: fully connected over one vector, a 1x1 convolution over several.

The order in which a vector lies in memory is folded into the weight columns, so a Flatten or Transpose before a
dense layer moves nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.lower.builder import Builder, Index
from eightbit.lower.linear import consts, pointwise, quantised
from eightbit.lower.rule import Rule
from eightbit.ops.fc import Params

Float = NDArray[np.float64]
BLOCKS_MAX = 1 << 20  # weights of a block diagonal matrix


def dense(b: Builder, node: Node, index: Index, weights: Float, bias: Float) -> tuple[str, Index]:
    """Rows of activations `index` [rows, in] times `weights` [out, in]; output tensor and its index [rows, out].

    A `bias` of [rows, out] differs from row to row: the rows are then one vector, and the weights block diagonal.
    """
    value = node.inputs[0] if node.inputs[0] not in b.graph.consts else node.inputs[1]
    rows, outs = len(index), len(weights)
    if rows == 1:
        tensor = fully_connected(b, node, value, index[0], weights, bias.ravel())
    elif bias.ndim == 1:
        tensor = pointwise(b, node, b.arranged(value, index[:, None, :]), weights, bias)
    else:
        blocks = np.kron(np.eye(rows), weights).astype(np.float64)
        tensor = fully_connected(b, node, value, index.ravel(), blocks, bias.ravel())
    return tensor, np.arange(rows * outs).reshape(rows, outs)


def fully_connected(b: Builder, node: Node, value: str, index: Index, weights: Float, bias: Float) -> str:
    x = b.tensor(value)
    in_memory = np.empty_like(weights)
    in_memory[:, index] = weights
    y, q, fields = quantised(b, node, x, (1, 1, len(weights)), in_memory, bias)
    params = Params(in_n=x.size, out_n=len(weights), **fields)
    return b.emit("fc", params, (x.name,), y, consts(q, q.weights), node)


def lower_gemm(b: Builder, node: Node) -> None:
    weights = b.graph.const(node.inputs[1])
    assert weights is not None  # refusal looked
    weights = weights if node.attributes.get("transB", 0) else weights.T
    index = b.index(node.inputs[0])
    index = index.T if node.attributes.get("transA", 0) else index
    tensor, out = dense(b, node, index, weights * node.attributes.get("alpha", 1.0), gemm_bias(b.graph, node))
    b.bind(node.outputs[0], tensor, out)


def gemm_bias(graph: Graph, node: Node) -> Float:
    """beta * C: [out], or [rows, out] where rows differ."""
    shape = graph.shapes[node.outputs[0]]
    given = graph.const(node.input(2))
    if given is None:
        return np.zeros(shape[1])
    rows = np.broadcast_to(given * node.attributes.get("beta", 1.0), shape)
    return np.array(rows[0] if (rows == rows[0]).all() else rows)


def gemm_refusal(graph: Graph, node: Node) -> str:
    if graph.const(node.inputs[1]) is None or node.inputs[0] in graph.consts:
        return "only constant weights as the second operand are supported"
    if node.input(2) and graph.const(node.inputs[2]) is None:
        return f"its bias {node.inputs[2]!r} is not constant"
    if node.input(2):
        bias, shape = graph.consts[node.inputs[2]], graph.shapes[node.outputs[0]]
        try:
            rows = np.broadcast_to(bias, shape)
        except ValueError:
            return f"its bias {list(bias.shape)} does not fit its result {list(shape)}"
        blocks = graph.consts[node.inputs[1]].size * shape[0] ** 2
        if (rows != rows[0]).any() and blocks > BLOCKS_MAX:
            return f"its bias differs from row to row, which would take {blocks} weights; up to {BLOCKS_MAX} are made"
    return ""


def lower_matmul(b: Builder, node: Node) -> None:
    left, right = node.inputs
    shape = b.graph.shapes[node.outputs[0]]
    if right in b.graph.consts:
        weights = matrix(b.graph, right, column=True).T
        index = b.index(left)
        tensor, out = dense(b, node, index.reshape(-1, weights.shape[1]), weights, np.zeros(len(weights)))
        b.bind(node.outputs[0], tensor, out.reshape(shape))
        return
    weights, index = matrix(b.graph, left, column=False), b.index(right)
    index = index if index.ndim == 1 else np.moveaxis(index, -2, -1)
    tensor, out = dense(b, node, index.reshape(-1, weights.shape[1]), weights, np.zeros(len(weights)))
    lead = index.shape[:-1]
    b.bind(node.outputs[0], tensor, np.moveaxis(out.reshape(*lead, len(weights)), -1, -2) if lead else out)


def matrix(graph: Graph, value: str, column: bool) -> Float:
    """A constant operand as a matrix: leading axes of 1 dropped, a vector as a column or a row."""
    array = graph.const(value)
    assert array is not None  # refusal looked
    if array.ndim == 1:
        return array[:, None] if column else array[None, :]
    return array.reshape(array.shape[-2:])


def matmul_refusal(graph: Graph, node: Node) -> str:
    constant = [value for value in node.inputs if value in graph.consts]
    if len(constant) != 1:
        return "both operands are activations; constant weights are supported"
    if any(size != 1 for size in graph.consts[constant[0]].shape[:-2]):
        return f"its weights {list(graph.consts[constant[0]].shape)} are a batch of matrices"
    if not graph.shapes[node.outputs[0]]:
        return "its result is a single number without an axis"
    return ""


def matmul_axis(graph: Graph, node: Node) -> int:
    """Where the outputs of the constant matrix lie."""
    if node.inputs[1] in graph.consts:
        return -1
    return -2 if len(graph.shapes[node.inputs[1]]) > 1 else -1


RULES = {
    "Gemm": Rule(lower_gemm, gemm_refusal, channel_axis=lambda graph, node: 1),
    "MatMul": Rule(lower_matmul, matmul_refusal, channel_axis=matmul_axis),
}
