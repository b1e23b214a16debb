# SPDX-License-Identifier: Apache-2.0
"""New nodes for rewrites of the float graph, with the shapes that later rewrites ask for."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

ONNX = ("", "ai.onnx")


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """The shape of a value if every size is known."""
    if value is None or value.shape is None or not all(isinstance(size, int) for size in value.shape):
        return None
    return tuple(int(size) for size in value.shape)  # type: ignore[arg-type]


def same_shape(first: ir.Value | None, second: ir.Value | None) -> bool:
    """Are both shapes known, and equal?"""
    shape = static_shape(first)
    return shape is not None and shape == static_shape(second)


def node_before(
    place: ir.Node,
    op_type: str,
    inputs: Sequence[ir.Value | None],
    shape: Sequence[int] | None,
    attributes: Sequence[ir.Attr] = (),
) -> ir.Value:
    """Insert a node with one float output before another; returns that output."""
    node = ir.Node("", op_type, inputs, attributes, num_outputs=1)
    made = node.outputs[0]
    made.shape = None if shape is None else ir.Shape(shape)
    made.type = ir.TensorType(ir.DataType.FLOAT)
    assert isinstance(place.graph, ir.Graph)
    place.graph.insert_before(place, node)
    return made


def transposed(place: ir.Node, value: ir.Value, perm: Sequence[int]) -> ir.Value:
    shape = static_shape(value)
    assert shape is not None
    made = [shape[axis] for axis in perm]
    return node_before(place, "Transpose", [value], made, [ir.AttrInt64s("perm", list(perm))])


def reshaped(model: ir.Model, place: ir.Node, value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """A value in another shape, of which one size may be -1."""
    given = static_shape(value)
    assert given is not None
    rest = math.prod(given) // max(1, math.prod(size for size in shape if size != -1))
    made = [rest if size == -1 else size for size in shape]
    target = constant(model, f"{value.name or 'value'}/as_{'x'.join(map(str, made))}", made)
    return node_before(place, "Reshape", [value, target], made)


def constant(model: ir.Model, name: str, numbers: Sequence[int]) -> ir.Value:
    """A new int64 constant, called `name` or like it."""
    while name in model.graph.initializers:
        name += "_"
    tensor = ir.tensor(np.array(numbers, np.int64), name=name)
    value = ir.Value(name=name, shape=ir.Shape([len(numbers)]), type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    return value


def renamed(old: ir.Value, new: ir.Value) -> None:
    """Let `new` stand for `old` everywhere, name included; what made `old` is then read by nobody."""
    name, was_output = old.name, old.is_graph_output()
    old.replace_all_uses_with(new, replace_graph_outputs=was_output)
    old.name, new.name = f"{name}/replaced", name
