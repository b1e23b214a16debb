# SPDX-License-Identifier: Apache-2.0
"""Rewrite of the float graph: a Pad of zeros moves into the windows of the convolutions and pools that read it.

Example: Pad -> Unsqueeze -> Conv, as causal convolutions are exported, becomes Unsqueeze -> Conv with pads. Where
something else reads it, say the sum behind a shortcut that adds channels, it becomes a convolution itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import (
    add_initializer,
    array_of,
    ints_of,
    node_before,
    static_shape,
    take_over,
)

Ends = tuple[tuple[int, int], ...]  # cells before and after, by axis
WEIGHTS_MAX = 1 << 20  # of a convolution that adds channels
NOT_NEGATIVE = ("Relu", "Sigmoid", "Softmax")


@dataclass(frozen=True)
class Reader:
    """What reads padded cells, and the padding of its spatial axes."""

    node: ir.Node
    ends: Ends


def fold_pads(model: ir.Model) -> None:
    """Fold every Pad whose readers can all do what it does."""
    for node in list(model.graph):
        ends = _ends(node)
        if ends is None or node.outputs[0].is_graph_output():
            continue
        readers: list[Reader] = []
        moved: list[tuple[ir.Value, Ends]] = []
        if not _follow(node.outputs[0], ends, readers, moved):
            continue
        if not readers or not all(_takes(reader, node) for reader in readers):
            continue
        for value, padded in moved:
            shape = static_shape(value) or ()
            value.shape = ir.Shape([size - sum(end) for size, end in zip(shape, padded, strict=True)])
        for reader in readers:
            _pad(reader)
        assert node.inputs[0] is not None
        node.outputs[0].replace_all_uses_with(node.inputs[0])
        model.graph.remove(node, safe=True)


def pad_by_convolution(model: ir.Model) -> None:
    """Make each Pad of zeros that is left a convolution of single cells: with pads, and rows of zeros for channels."""
    for node in list(model.graph):
        ends, shape, x = _ends(node), static_shape(node.inputs[0]) if node.inputs else None, node.outputs[0]
        if ends is None or shape is None or len(shape) not in (3, 4) or any(ends[0]):
            continue
        spatial, (before, after) = len(shape) - 2, ends[1]
        if before + after and shape[1] * (shape[1] + before + after) > WEIGHTS_MAX:
            continue
        added = np.pad(np.eye(shape[1]), ((before, after), (0, 0)))
        weights = added if before + after else np.ones((shape[1], 1))
        kernel = add_initializer(model, f"{x.name or 'pad'}/weights", weights.reshape(*weights.shape, *[1] * spatial))
        pads = [end[0] for end in ends[2:]] + [end[1] for end in ends[2:]]
        attributes = [ir.AttrInt64s("pads", pads), ir.AttrInt64("group", 1 if before + after else shape[1])]
        take_over(model, node_before(node, "Conv", [node.inputs[0], kernel], static_shape(x), attributes), node)


def _ends(node: ir.Node) -> Ends | None:
    """The cells that a Pad of zeros adds; None where it is something else."""
    if node.op_type != "Pad" or node.domain not in ONNX or node.attributes.get_string("mode", "constant") != "constant":
        return None
    shape, inputs = static_shape(node.inputs[0]), [*node.inputs, None, None, None]
    if shape is None or static_shape(node.outputs[0]) is None or any(v and v.const_value is None for v in inputs[1:4]):
        return None
    zero = array_of(inputs[2]) if inputs[2] else np.array(node.attributes.get_float("value", 0.0))
    given = array_of(inputs[1]).astype(int) if inputs[1] else np.array(ints_of(node, "pads", []))
    axes = array_of(inputs[3]).astype(int) % len(shape) if inputs[3] else np.arange(len(shape))
    if zero.any() or (given < 0).any() or len(given) != 2 * len(axes):
        return None
    ends = dict(zip(axes.tolist(), given.reshape(2, -1).T.tolist(), strict=True))
    return tuple((ends.get(i, (0, 0))[0], ends.get(i, (0, 0))[1]) for i in range(len(shape)))


def _follow(value: ir.Value, ends: Ends, readers: list[Reader], moved: list[tuple[ir.Value, Ends]]) -> bool:
    """Collect the windows that read a padded value, and what moves its elements on the way; False for any other."""
    if value.is_graph_output():
        return False
    moved.append((value, ends))
    for node, position in value.uses():
        if node.domain not in ONNX or position != 0:
            return False
        if node.op_type in MOVED:
            further = MOVED[node.op_type](node, ends)
            if further is None or not _follow(node.outputs[0], further, readers, moved):
                return False
        elif any(sum(end) for end in ends[:2]):
            return False
        else:
            readers.append(Reader(node, ends[2:]))
    return True


def _transposed(node: ir.Node, ends: Ends) -> Ends | None:
    return tuple(ends[axis] for axis in ints_of(node, "perm", range(len(ends))[::-1]))


def _unsqueezed(node: ir.Node, ends: Ends) -> Ends | None:
    axes = _axes(node, len(static_shape(node.outputs[0]) or ()))
    if axes is None:
        return None
    rest = iter(ends)
    return tuple((0, 0) if i in axes else next(rest) for i in range(len(ends) + len(axes)))


def _squeezed(node: ir.Node, ends: Ends) -> Ends | None:
    axes = _axes(node, len(ends))
    if axes is None or any(sum(ends[axis]) for axis in axes):
        return None
    return tuple(end for i, end in enumerate(ends) if i not in axes)


def _axes(node: ir.Node, rank: int) -> list[int] | None:
    """The constant axes of a Squeeze or Unsqueeze: an attribute, from opset 13 on an input."""
    if len(node.inputs) > 1 and node.inputs[1] is not None and node.inputs[1].const_value is not None:
        return [int(axis) % rank for axis in array_of(node.inputs[1])]
    return [axis % rank for axis in node.attributes["axes"].as_ints()] if "axes" in node.attributes else None


MOVED: dict[str, Callable[[ir.Node, Ends], Ends | None]] = {
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
    "Squeeze": _squeezed,
    "Identity": lambda node, ends: ends,
}


def _takes(reader: Reader, pad: ir.Node) -> bool:
    """Does a window with that padding see the same as after the Pad?"""
    node = reader.node
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    if node.op_type == "Conv":
        return True
    if node.op_type == "AveragePool":  # zeros count
        counted = node.attributes.get_int("count_include_pad", 0) or not any(_pads(node, len(reader.ends)))
        return bool(counted) and not node.attributes.get_int("ceil_mode", 0)
    if node.op_type != "MaxPool" or len(node.outputs) > 1 or "kernel_shape" not in node.attributes:
        return False
    before = pad.inputs[0].producer() if pad.inputs[0] is not None else None
    never_negative = before is not None and before.domain in ONNX and before.op_type in NOT_NEGATIVE
    kernel = ints_of(node, "kernel_shape", [])  # each window must hold a cell that is no padding
    inside = all(size > max(end) for size, end in zip(kernel, reader.ends, strict=True))
    return (
        never_negative and inside and not any(_pads(node, len(kernel))) and not node.attributes.get_int("ceil_mode", 0)
    )


def _pads(node: ir.Node, count: int) -> list[int]:
    return ints_of(node, "pads", [0] * 2 * count)


def _pad(reader: Reader) -> None:
    added = [end[0] for end in reader.ends] + [end[1] for end in reader.ends]
    pads = [a + b for a, b in zip(_pads(reader.node, len(reader.ends)), added, strict=True)]
    reader.node.attributes["pads"] = ir.AttrInt64s("pads", pads)
    if reader.node.op_type == "AveragePool":
        reader.node.attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
