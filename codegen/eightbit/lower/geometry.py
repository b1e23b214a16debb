# SPDX-License-Identifier: Apache-2.0
"""ONNX window attributes as numbers per axis. `rewrites.auto_pad` has made it explicit before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.cfields import LIMITS
from eightbit.ir.windows import Window


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


def axes(graph: Graph, node: Node, kernel: list[int]) -> list[Axis]:
    """The spatial axes of a node [1, C, H, W] or [1, C, L]; a signal gets a second axis of size 1."""
    sizes = list(graph.shapes[node.inputs[0]][2:])
    outs = list(graph.shapes[node.outputs[0]][2:])
    count = len(sizes)
    strides = list(node.attributes.get("strides", [1] * count))
    dilations = list(node.attributes.get("dilations", [1] * count))
    pads = list(node.attributes.get("pads", [0] * 2 * count))
    rows = zip(sizes, outs, kernel[:count], strides, dilations, pads[:count], pads[count:], strict=True)
    found = [Axis(*row) for row in rows]
    return found if count == 2 else [*found, Axis(1, 1, 1, 1, 1, 0, 0)]


def window_fields(y: Axis, x: Axis) -> dict[str, int]:
    """The fields that every windowed Params starts with."""
    window = Window(
        in_h=y.size, in_w=x.size, out_w=x.out, kh=y.kernel, kw=x.kernel, stride_y=y.stride, stride_x=x.stride,
        dil_y=y.dilation, dil_x=x.dilation, pad_top=y.before, pad_left=x.before,
    )  # fmt: skip
    return asdict(window)


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
        if len(values) != length or any(not least <= v <= LIMITS["e8_s16"] for v in values):
            return f"{name} {list(values)} must be {length} numbers from {least} to {LIMITS['e8_s16']}"
    auto = node.attributes.get("auto_pad", "NOTSET")
    return "" if auto == "NOTSET" else f"auto_pad {auto!r} is unknown, or its input's shape is"
