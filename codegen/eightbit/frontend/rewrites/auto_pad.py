# SPDX-License-Identifier: Apache-2.0
"""Windows with explicit padding: auto_pad becomes numbers, and pools lose windows that do not exist.

A pool's ceil_mode asks for a window that starts behind the image and its first padding; ONNX says from opset 22 on
that there is none, and runtimes never had it, but shape inference for older opsets counts it. Runtimes also refuse
some forms of auto_pad that ONNX allows (SAME with dilation). The explicit form means the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx

from eightbit.frontend.graph import ONNX

POOLS = ("AveragePool", "MaxPool")
WINDOWED = ("Conv", *POOLS)


@dataclass
class Axis:
    """One spatial axis of a window."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def reach(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    def pad_same(self, upper: bool) -> None:
        """Padding that makes the output ceil(size / stride); an odd cell goes to the end (upper) or the start."""
        total = max(0, (-(-self.size // self.stride) - 1) * self.stride + self.reach - self.size)
        self.before, self.after = (total // 2, total - total // 2) if upper else (total - total // 2, total // 2)

    @property
    def rest(self) -> int:
        """Cells behind the last whole window; ceil_mode asks for one more window where there are any."""
        return (self.size + self.before + self.after - self.reach) % self.stride

    @property
    def empty(self) -> bool:
        """Does the window that ceil_mode adds start behind the image and its first padding?"""
        steps = (self.size + self.before + self.after - self.reach) // self.stride + 1
        return self.rest > 0 and steps * self.stride >= self.size + self.before


def make_explicit(proto: onnx.ModelProto) -> None:
    """Rewrite, in place, every Conv and pool whose input shape is known."""
    shapes = _shapes(proto)
    for node in proto.graph.node:
        if node.op_type not in WINDOWED or node.domain not in ONNX:
            continue
        axes = _axes(proto, node, shapes.get(node.input[0], []))
        if not axes:
            continue  # refused later, with a reason
        _resolve_auto_pad(node, axes)
        if node.op_type in POOLS and _get(node, "ceil_mode", 0) and any(axis.empty for axis in axes):
            _drop_empty(node, axes)
            shapes = _shapes(proto)


def _resolve_auto_pad(node: onnx.NodeProto, axes: list[Axis]) -> None:
    auto = _get(node, "auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        for axis in axes:
            axis.pad_same(auto == b"SAME_UPPER")
    elif auto == b"VALID":
        for axis in axes:
            axis.before = axis.after = 0
    else:
        return
    _set(node, "auto_pad", "NOTSET")
    _set_pads(node, axes)
    if auto != b"VALID" and node.op_type in POOLS:
        _set(node, "ceil_mode", 0)  # SAME fixes the output size


def _drop_empty(node: onnx.NodeProto, axes: list[Axis]) -> None:
    if all(axis.empty for axis in axes if axis.rest):
        _set(node, "ceil_mode", 0)
    elif all(axis.after >= axis.rest for axis in axes if axis.empty):
        for axis in axes:
            axis.after -= axis.rest if axis.empty else 0  # no window reaches these cells
        _set_pads(node, axes)


def _axes(proto: onnx.ModelProto, node: onnx.NodeProto, shape: list[int]) -> list[Axis]:
    """The spatial axes of a node; none if its attributes do not fit."""
    sizes, count = shape[2:], len(shape) - 2
    kernel = _get(node, "kernel_shape", None) or _weight_shape(proto, node)[2:]
    strides, dilations = _get(node, "strides", [1] * count), _get(node, "dilations", [1] * count)
    pads = _get(node, "pads", [0] * 2 * count)
    lengths = (len(kernel), len(strides), len(dilations), len(pads) / 2)
    if count < 1 or any(length != count for length in lengths) or min(*strides, *sizes) < 1:
        return []
    rows = zip(sizes, kernel, strides, dilations, pads[:count], pads[count:], strict=True)
    return [Axis(*row) for row in rows]


def _weight_shape(proto: onnx.ModelProto, node: onnx.NodeProto) -> list[int]:
    name = node.input[1] if len(node.input) > 1 else ""
    return next((list(item.dims) for item in proto.graph.initializer if item.name == name), [])


def _shapes(proto: onnx.ModelProto) -> dict[str, list[int]]:
    """Static shapes, as far as inference knows them."""
    graph = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    values = (*graph.value_info, *graph.input, *graph.output)
    return {item.name: [dim.dim_value for dim in item.type.tensor_type.shape.dim] for item in values}


def _get(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found = [item for item in node.attribute if item.name == name]
    return onnx.helper.get_attribute_value(found[0]) if found else default


def _set(node: onnx.NodeProto, name: str, value: Any) -> None:
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute(name, value)])


def _set_pads(node: onnx.NodeProto, axes: list[Axis]) -> None:
    _set(node, "pads", [axis.before for axis in axes] + [axis.after for axis in axes])
