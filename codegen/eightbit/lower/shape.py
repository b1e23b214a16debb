# SPDX-License-Identifier: Apache-2.0
"""Operators that move nothing: they only rearrange where the elements of a value are said to lie."""

from __future__ import annotations

from eightbit.frontend.graph import Graph, Node
from eightbit.lower.builder import Builder
from eightbit.lower.rule import Rule, always
from eightbit.ops.permute import AXES


def lower_same_order(b: Builder, node: Node) -> None:
    """The elements keep their order, so the new shape says it all."""
    stored = b.values[node.inputs[0]]
    b.bind(node.outputs[0], stored.tensor, stored.index)


def lower_transpose(b: Builder, node: Node) -> None:
    rank = len(b.graph.shapes[node.inputs[0]])
    stored = b.transposed(node.inputs[0], tuple(node.attributes.get("perm", reversed(range(rank)))))
    b.bind(node.outputs[0], stored.tensor, stored.index)


def constant_shape_refusal(graph: Graph, node: Node) -> str:
    if node.input(1) and node.inputs[1] not in graph.consts:
        return f"its second input {node.inputs[1]!r} is not constant"
    return ""


def transpose_refusal(graph: Graph, node: Node) -> str:
    shape = graph.shapes[node.inputs[0]]
    perm = node.attributes.get("perm")
    if perm is not None and sorted(perm) != list(range(len(shape))):
        return f"perm {list(perm)} does not fit an input of {len(shape)} axes"
    wide = [size for size in shape if size > 1]
    return f"it moves {len(wide)} axes; up to {AXES} are supported" if len(wide) > AXES else ""


def dropout_refusal(graph: Graph, node: Node) -> str:
    mode = graph.consts.get(node.input(2))
    if node.input(2) and (mode is None or bool(mode.any())):
        return "it is in training mode; export the model for inference"
    return ""


RULES = {
    "Dropout": Rule(lower_same_order, dropout_refusal, keeps_scale=True, passes_factors=always),
    "Flatten": Rule(lower_same_order, keeps_scale=True, passes_factors=always),
    "Identity": Rule(lower_same_order, keeps_scale=True, passes_factors=always),
    "Reshape": Rule(lower_same_order, constant_shape_refusal, keeps_scale=True, passes_factors=always),
    "Squeeze": Rule(lower_same_order, constant_shape_refusal, keeps_scale=True, passes_factors=always),
    "Transpose": Rule(lower_transpose, transpose_refusal, keeps_scale=True),
    "Unsqueeze": Rule(lower_same_order, constant_shape_refusal, keeps_scale=True, passes_factors=always),
}
