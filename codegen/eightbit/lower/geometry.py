# SPDX-License-Identifier: Apache-2.0
"""ONNX window attributes (kernel, strides, pads, auto_pad, dilations) as explicit numbers, for one or two axes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eightbit.graph import Graph, Node


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a window operator."""

    size: int
    out: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int


@dataclass(frozen=True)
class Geometry:
    """The fields that every windowed Params shares."""

    in_h: int
    in_w: int
    out_w: int
    kh: int
    kw: int
    stride_y: int
    stride_x: int
    dil_y: int
    dil_x: int
    pad_top: int
    pad_left: int

    def fields(self) -> dict[str, int]:
        return asdict(self)


def axes(graph: Graph, node: Node, kernel: list[int]) -> list[Axis]:
    """The spatial axes of a node [1, C, H, W] or [1, C, L]; a signal gets a second axis of size 1."""
    sizes = list(graph.shapes[node.inputs[0]][2:])
    outs = list(graph.shapes[node.outputs[0]][2:])
    count = len(sizes)
    strides = list(node.attributes.get("strides", [1] * count))
    dilations = list(node.attributes.get("dilations", [1] * count))
    pads = list(node.attributes.get("pads", [0] * 2 * count))
    found = []
    for i in range(count):
        before, after = pads[i], pads[i + count]
        auto = node.attributes.get("auto_pad", "NOTSET")
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            before, after = _same(sizes[i], kernel[i], strides[i], dilations[i], auto == "SAME_UPPER")
        elif auto == "VALID":
            before = after = 0
        found.append(Axis(sizes[i], outs[i], kernel[i], strides[i], dilations[i], before, after))
    if count == 1:
        found.append(Axis(1, 1, 1, 1, 1, 0, 0))
    return found


def _same(size: int, kernel: int, stride: int, dilation: int, upper: bool) -> tuple[int, int]:
    """Padding that makes the output ceil(size / stride); an odd cell goes to the end (upper) or the start."""
    out = -(-size // stride)
    total = max(0, (out - 1) * stride + (kernel - 1) * dilation + 1 - size)
    return (total // 2, total - total // 2) if upper else (total - total // 2, total // 2)


def geometry(y: Axis, x: Axis) -> Geometry:
    return Geometry(
        in_h=y.size, in_w=x.size, out_w=x.out, kh=y.kernel, kw=x.kernel, stride_y=y.stride, stride_x=x.stride,
        dil_y=y.dilation, dil_x=x.dilation, pad_top=y.before, pad_left=x.before,
    )  # fmt: skip


def window_refusal(graph: Graph, node: Node, kernel: Any) -> str:
    """Why a windowed node cannot be lowered, or ""."""
    shape = graph.shapes[node.inputs[0]]
    if len(shape) not in (3, 4):
        return f"its input has {len(shape)} axes; images [1, C, H, W] and signals [1, C, L] are supported"
    if shape[0] != 1:
        return f"its batch is {shape[0]}; only a batch of 1 is supported"
    count = len(shape) - 2
    if kernel is None or len(kernel) != count or any(k < 1 for k in kernel):
        return f"kernel_shape {kernel} does not fit an input of {count} spatial axes"
    for name, length, least in (("strides", count, 1), ("dilations", count, 1), ("pads", 2 * count, 0)):
        values = node.attributes.get(name, [1] * length)
        if len(values) != length or any(v < least for v in values):
            return f"{name} {list(values)} must be {length} numbers of at least {least}"
    if node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"):
        return f"auto_pad {node.attributes['auto_pad']!r} is unknown"
    return ""
