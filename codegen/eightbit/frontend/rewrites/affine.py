# SPDX-License-Identifier: Apache-2.0
"""Rewrite of the float graph: arithmetic with constants becomes BatchNormalization, which layers take in.

Example: Conv -> Squeeze -> Mul by [1, 8, 1] -> Add of [1, 8, 1] becomes Conv -> BatchNormalization -> Squeeze, which
`fold_batch_normalization` folds; x -> Sub of means -> Div by deviations becomes one BatchNormalization of the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import (
    add_initializer,
    array_of,
    ints_of,
    node_before,
    reshaped,
    same_shape,
    static_shape,
    take_over,
    transposed,
)
from eightbit.frontend.rewrites.integers import MOVES

Float = NDArray[np.float64]
OPERATORS = ("Add", "Sub", "Mul", "Div", "Neg")
MOST = 1 << 20  # numbers that constants are spread to: more channels than that no call has


@dataclass(frozen=True)
class Line:
    """factor * x + shift with constants that broadcast to x; `nodes` calculate it, one after the other."""

    x: ir.Value
    factor: Float
    shift: Float
    nodes: tuple[ir.Node, ...]


@dataclass(frozen=True)
class Channels:
    """factor * value + shift along one axis of a value: [n] each; on every element of its own where `axis` is None."""

    value: ir.Value
    axis: int | None
    factor: Float
    shift: Float


def make_normalizations(model: ir.Model) -> None:
    """Rewrite every chain of Add, Sub, Mul, Div and Neg with constants, in float64."""
    done: set[ir.Node] = set()
    for node in list(model.graph):
        line = None if node in done else _step(node)
        if line is None:
            continue
        while (following := _follower(line.nodes[-1])) is not None and _elements(line, following) <= MOST:
            line = _composed(line, following)
        done.update(line.nodes)
        if np.isfinite(line.factor).all() and np.isfinite(line.shift).all() and _affordable(line):
            _replace(model, line)


def _elements(*lines: Line) -> int:
    """How many numbers the constants take together."""
    shapes = [constant.shape for line in lines for constant in (line.factor, line.shift)]
    return math.prod(np.broadcast_shapes(*shapes))


def _affordable(line: Line) -> bool:
    """Are there few channels, or few elements where each is one?"""
    shape = static_shape(line.x) or ()
    axis = _varying_axis(shape, (line.factor, line.shift))
    return math.prod(shape) <= MOST or ((axis is None or axis > 0) and len(shape) > 1)


def _composed(line: Line, following: Line) -> Line:
    with np.errstate(all="ignore"):  # what overflows is refused
        shift = following.factor * line.shift + following.shift
        return Line(line.x, following.factor * line.factor, shift, line.nodes + following.nodes)


def _step(node: ir.Node) -> Line | None:
    """A node that calculates with one activation and one constant, and leaves the shape as it is."""
    if node.domain not in ONNX or node.op_type not in OPERATORS:
        return None
    live = [value for value in node.inputs if value is not None and value.const_value is None]
    if len(live) != 1 or live[0].dtype != ir.DataType.FLOAT or not same_shape(live[0], node.outputs[0]):
        return None
    x, second = live[0], live[0] is not node.inputs[0]
    constant = np.ones(()) if node.op_type == "Neg" else array_of(node.inputs[0 if second else 1])
    numbers = _factor_and_shift(node.op_type, constant, second)
    return None if numbers is None else Line(x, *numbers, (node,))


def _factor_and_shift(op_type: str, constant: Float, second: bool) -> tuple[Float, Float] | None:
    """What an operator does to an activation that is its first operand, or its second one."""
    one, zero = np.ones(()), np.zeros(())
    if op_type == "Div":
        return (1 / constant, zero) if constant.all() and not second else None
    return {
        "Neg": (-one, zero),
        "Mul": (constant, zero),
        "Add": (one, constant),
        "Sub": (-one, constant) if second else (one, -constant),
    }[op_type]


def _follower(node: ir.Node) -> Line | None:
    """The step that alone reads what a node makes."""
    reader = _only_reader(node.outputs[0])
    return _step(reader) if reader is not None else None


def _only_reader(value: ir.Value) -> ir.Node | None:
    """The node of the same graph that alone reads a value; a branch of an If is another graph."""
    uses, producer = tuple(value.uses()), value.producer()
    if len(uses) != 1 or value.is_graph_output() or producer is None or uses[0].node.graph is not producer.graph:
        return None
    return uses[0].node


def _replace(model: ir.Model, line: Line) -> None:
    """Put a BatchNormalization in place of a line: behind the layer that makes x, or where the line was."""
    found = _channels(line)
    lifted = _lifted(found)
    layer, place = lifted.value.producer(), _only_reader(lifted.value)
    if layer is None or place is None or not _is_layer(layer, lifted):
        new = _normalized(model, line.nodes[0], found)
    elif lifted is found:
        new = _behind_layer(model, place, layer, lifted)
    else:
        new = line.x
        place.replace_input_with(0, _behind_layer(model, place, layer, lifted))
    take_over(model, new, line.nodes[-1])
    for node in reversed(line.nodes[:-1]):
        model.graph.remove(node, safe=True)


def _channels(line: Line) -> Channels:
    shape = static_shape(line.x)
    assert shape is not None  # same_shape looked
    axis = _varying_axis(shape, (line.factor, line.shift))
    spread = [np.broadcast_to(constant, shape) for constant in (line.factor, line.shift)]  # views
    if axis == -1 or not shape:
        return Channels(line.x, None, spread[0].ravel(), spread[1].ravel())
    if axis is None:
        axis = _stored_as_channels(line)
    along = tuple(slice(None) if i == axis else 0 for i in range(len(shape)))
    factor, shift = (constant[along] for constant in spread)
    return Channels(line.x, axis, factor, shift)


def _varying_axis(shape: tuple[int, ...], constants: tuple[Float, ...]) -> int | None:
    """The only axis along which constants differ; None for none, -1 where they differ along several."""
    varies = set()
    for constant in constants:
        first = len(shape) - constant.ndim
        axes = range(constant.ndim)
        varies |= {first + i for i in axes if (constant != constant.take([0], axis=i)).any()}  # NaN is refused
    return None if not varies else varies.pop() if len(varies) == 1 else -1


def _stored_as_channels(line: Line) -> int:
    """The axis of x that becomes, or was, that of the channels: the last one of an NHWC image, else 1."""
    shape, producer, reader = static_shape(line.x) or (), line.x.producer(), _only_reader(line.nodes[-1].outputs[0])
    if len(shape) < 2:
        return 0
    if producer is not None and producer.op_type == "Transpose" and "perm" in producer.attributes:
        return ints_of(producer, "perm", []).index(1)
    if reader is not None and reader.op_type == "Transpose" and "perm" in reader.attributes:
        return ints_of(reader, "perm", [])[1]
    return 1


def _lifted(found: Channels) -> Channels:
    """The same arithmetic before the moves of elements that made its value."""
    node = found.value.producer()
    while node is not None and found.axis is not None and node.op_type in MOVES and node.domain in ONNX:
        source = node.inputs[0]
        axis = _source_axis(node, found) if source is not None and _only_reader(source) is not None else None
        if source is None or axis is None or _only_reader(found.value) is None:
            break
        found = Channels(source, axis, found.factor, found.shift)
        node = source.producer()
    return found


def _source_axis(node: ir.Node, found: Channels) -> int | None:
    """Which axis of a move's input is that axis of its output."""
    before, after, axis = static_shape(node.inputs[0]), static_shape(found.value), found.axis
    if before is None or after is None or axis is None:
        return None
    if node.op_type == "Transpose":
        return ints_of(node, "perm", range(len(after))[::-1])[axis]
    lead = math.prod(after[:axis])
    same = [i for i, size in enumerate(before) if size == after[axis] and math.prod(before[:i]) == lead]
    return same[-1] if same else None


def _is_layer(layer: ir.Node, found: Channels) -> bool:
    """Does a BatchNormalization behind this layer fold into its weights?"""
    shape, weights = static_shape(found.value), layer.inputs[1] if len(layer.inputs) > 1 else None
    if shape is None or layer.domain not in ONNX or weights is None or weights.const_value is None:
        return False
    if layer.op_type == "MatMul":
        flat = len(weights.const_value.shape) == 2 and static_shape(layer.inputs[0]) is not None
        return flat and len(shape) >= 2 and found.axis == len(shape) - 1
    return layer.op_type in ("Conv", "Gemm") and found.axis == 1


def _behind_layer(model: ir.Model, place: ir.Node, layer: ir.Node, found: Channels) -> ir.Value:
    """BatchNormalization of what a layer makes; a MatMul becomes the Gemm of all its rows."""
    if layer.op_type != "MatMul":
        return _normalized(model, place, found)
    shape, given = static_shape(found.value), static_shape(layer.inputs[0])
    x = layer.inputs[0]
    assert x is not None  # _is_layer looked
    assert shape is not None
    assert given is not None
    rows = x if len(given) == 2 else reshaped(model, place, x, (-1, given[-1]))
    value = node_before(place, "Gemm", [rows, layer.inputs[1]], (math.prod(shape[:-1]), shape[-1]), name=layer.name)
    made = _normalized(model, place, Channels(value, 1, found.factor, found.shift))
    return made if len(shape) == 2 else reshaped(model, place, made, shape)


def _normalized(model: ir.Model, place: ir.Node, found: Channels) -> ir.Value:
    """BatchNormalization of a value, which needs its channels on axis 1."""
    value, axis, shape = found.value, found.axis, static_shape(found.value)
    assert shape is not None
    if axis == 1:
        return _batch_normalization(model, place, found)
    if axis is None or axis == 0 or len(shape) < 2:
        count = math.prod(shape)
        repeats = count // len(found.factor)
        factor, shift = np.repeat(found.factor, repeats), np.repeat(found.shift, repeats)
        row = reshaped(model, place, value, (1, count))
        return reshaped(model, place, _batch_normalization(model, place, Channels(row, 1, factor, shift)), shape)
    perm = [0, axis, *(i for i in range(1, len(shape)) if i != axis)]
    moved = Channels(transposed(place, value, perm), 1, found.factor, found.shift)
    return transposed(place, _batch_normalization(model, place, moved), np.argsort(perm).tolist())


def _batch_normalization(model: ir.Model, place: ir.Node, found: Channels) -> ir.Value:
    count, stem = len(found.factor), f"{place.outputs[0].name or 'value'}/of_channels"
    roles = {"scale": found.factor, "shift": found.shift, "mean": np.zeros(count), "variance": np.ones(count)}
    numbers = [add_initializer(model, f"{stem}_{role}", np.array(array)) for role, array in roles.items()]
    attributes = [ir.AttrFloat32("epsilon", 0.0)]
    return node_before(place, "BatchNormalization", [found.value, *numbers], static_shape(found.value), attributes)
