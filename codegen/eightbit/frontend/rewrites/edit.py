# SPDX-License-Identifier: Apache-2.0
"""What rewrites of the float graph are made of: constants and shapes to ask for, new nodes, one value for another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray


def array_of(value: ir.Value | None) -> NDArray[np.float64]:
    """A constant's numbers."""
    if value is None or value.const_value is None:
        raise ValueError("not a constant")  # who asks has looked
    return value.const_value.numpy().astype(np.float64)


def ints_of(node: ir.Node, name: str, default: Sequence[int]) -> list[int]:
    """An attribute that is a list of them."""
    return list(node.attributes[name].as_ints() if name in node.attributes else default)


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """The shape of a value if every size is known."""
    return value.shape.numpy() if value is not None and value.shape is not None and value.shape.is_static() else None


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
    name: str | None = None,
) -> ir.Value:
    """Insert a node with one float output before another; returns that output. `name`: what messages call it."""
    node = ir.Node("", op_type, inputs, attributes, num_outputs=1, name=name)
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
    return _registered(model, name, np.array(numbers, np.int64))


def add_initializer(model: ir.Model, name: str, array: NDArray[np.float64]) -> ir.Value:
    """A new float32 constant of a model, called `name` or like it."""
    return _registered(model, name, array.astype(np.float32))


def _registered(model: ir.Model, name: str, array: NDArray[np.generic]) -> ir.Value:
    while name in model.graph.initializers:
        name += "_"
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
    model.graph.register_initializer(value)
    return value


def take_over(model: ir.Model, new: ir.Value, node: ir.Node) -> None:
    """Let `new` be the value that `node` made, name included, and drop `node`."""
    old = node.outputs[0]
    name, was_output = old.name, old.is_graph_output()
    old.replace_all_uses_with(new, replace_graph_outputs=was_output)
    old.name, new.name = f"{name}/replaced", name
    model.graph.remove(node, safe=True)
