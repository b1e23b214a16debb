# SPDX-License-Identifier: Apache-2.0
"""Rewrite of the float graph: a Slice that cuts off what a convolution padded, or that takes every n-th pixel.

Example: Conv with pads [4, 4] -> Slice [:-4], as causal convolutions are written, becomes Conv with pads [4, 0];
Slice [:, :, ::2, ::2] becomes a MaxPool of single cells with stride 2.
"""

from __future__ import annotations

import onnx_ir as ir

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import array_of, ints_of, node_before, static_shape, take_over

Cut = tuple[tuple[int, int, int], ...]  # first element, number of elements and step, by axis


def fold_crops(model: ir.Model) -> None:
    """Rewrite every Slice that is one of these."""
    for node in list(model.graph):
        shape, cut = static_shape(node.inputs[0]) if node.inputs else None, _cut(node)
        x = node.inputs[0] if node.inputs else None
        if shape is None or cut is None or x is None or cut[:2] != tuple((0, size, 1) for size in shape[:2]):
            continue
        if _cropped_at_its_layer(node, shape, cut):
            take_over(model, x, node)
        elif _strided(shape, cut):
            steps = [step for _, _, step in cut[2:]]
            attributes = [ir.AttrInt64s("kernel_shape", [1] * len(steps)), ir.AttrInt64s("strides", steps)]
            made = [*shape[:2], *(count for _, count, _ in cut[2:])]
            take_over(model, node_before(node, "MaxPool", [x], made, attributes), node)


def _cut(node: ir.Node) -> Cut | None:
    """What a Slice of an image or signal takes; None where it is something else."""
    shape = static_shape(node.inputs[0]) if node.inputs else None
    if node.op_type != "Slice" or node.domain not in ONNX or shape is None or len(shape) not in (3, 4):
        return None
    given = [_numbers(node, i, key) for i, key in enumerate(("starts", "ends", "axes", "steps"), start=1)]
    starts, ends, axes, steps = given
    if starts is None or ends is None or any(v and v.const_value is None for v in node.inputs[1:]):
        return None
    cut = [(0, size, 1) for size in shape]
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis, step = (axes[i] if axes else i) % len(shape), steps[i] if steps else 1
        taken = range(shape[axis])[start:end:step] if step > 0 else range(0)
        if not taken:
            return None
        cut[axis] = (taken.start, len(taken), step)
    return tuple(cut)


def _numbers(node: ir.Node, position: int, key: str) -> list[int] | None:
    """An attribute (opset 9), or an input."""
    if key in node.attributes:
        return ints_of(node, key, [])
    value = node.inputs[position] if position < len(node.inputs) else None
    return None if value is None or value.const_value is None else [int(number) for number in array_of(value)]


def _cropped_at_its_layer(node: ir.Node, shape: tuple[int, ...], cut: Cut) -> bool:
    """Let the convolution before make only what is taken, where the rest is there for its padding."""
    x = node.inputs[0]
    layer = x.producer() if x is not None else None
    if x is None or layer is None or layer.op_type != "Conv" or layer.domain not in ONNX:
        return False
    if layer.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or len(x.uses()) != 1 or x.is_graph_output():
        return False
    count = len(shape) - 2
    strides, pads = ints_of(layer, "strides", [1] * count), ints_of(layer, "pads", [0] * 2 * count)
    for i, (first, taken, _) in enumerate(cut[2:]):
        pads[i] -= first * strides[i]
        pads[count + i] -= (shape[2 + i] - first - taken) * strides[i]
    if min(pads) < 0 or any(step != 1 for _, _, step in cut):
        return False
    layer.attributes["pads"] = ir.AttrInt64s("pads", pads)
    x.shape = ir.Shape([taken for _, taken, _ in cut])
    return True


def _strided(shape: tuple[int, ...], cut: Cut) -> bool:
    """Does it take every n-th pixel, of all?"""
    return all(first == 0 and taken == -(-size // step) for (first, taken, step), size in zip(cut, shape, strict=True))
