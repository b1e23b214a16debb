# SPDX-License-Identifier: Apache-2.0
"""Sliding windows: Conv, MaxPool and AveragePool, with every way ONNX spells their geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .chain import Chain

CHANNELS = 17


@dataclass(frozen=True)
class Window:
    kernel: tuple[int, ...]
    out: tuple[int, ...]
    attributes: dict[str, Any]


def per_axis(c: Chain, items: Sequence[int], weights: Sequence[float]) -> tuple[int, ...]:
    """One value per spatial axis, mostly the same on all."""
    axes = c.rank - 2
    same = c.pick(items, weights)
    return tuple(same if c.chance(0.7) else c.pick(items, weights) for _ in range(axes))


def window(c: Chain, op: str) -> Window:
    """Draw a geometry until the window fits; a 1x1 window always does."""
    for _ in range(20):
        drawn = draw_window(c, op)
        if min(drawn.out) >= 1:
            return drawn
    ones = (1,) * (c.rank - 2)
    return Window(ones, c.shape[2:], {"kernel_shape": ones})


def draw_window(c: Chain, op: str) -> Window:
    conv = op == "Conv"
    kernel = per_axis(c, range(1, 8), (4, 4, 8, 3, 3, 1, 2) if conv else (0.5, 8, 6, 2, 1, 0, 0))
    stride = per_axis(c, (1, 2, 3), (5, 4, 2) if conv else (3, 6, 2))
    auto = c.pick(("", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"), (6, 1, 1, 1.5, 1.5))
    # ONNX Runtime refuses dilation with SAME, and AveragePool has dilations from opset 19 on.
    dilatable = not auto.startswith("SAME") and (op != "AveragePool" or c.opset >= 19)
    dilation = per_axis(c, (1, 2, 3), (7, 2, 1)) if dilatable else (1,) * len(kernel)
    ceil = not conv and c.chance(0.3)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    most = [r if conv else k - 1 for r, k in zip(reach, kernel, strict=True)]
    pads = draw_pads(c, most) if auto in ("", "NOTSET") else [0] * (2 * len(most))
    out = output_size(c.shape[2:], reach, stride, pads, auto, ceil)
    explicit = c.chance(0.3)  # defaults are spelled out now and then
    return Window(kernel, out, {
        "kernel_shape": kernel if not conv or c.chance(0.8) else None,
        "strides": stride if explicit or max(stride) > 1 else None,
        "dilations": dilation if max(dilation) > 1 or (explicit and conv) else None,
        "pads": pads if max(pads) > 0 or (explicit and auto in ("", "NOTSET")) else None,
        "auto_pad": auto or None,
        "ceil_mode": int(ceil) if ceil or (explicit and not conv) else None,
    })  # fmt: skip


def draw_pads(c: Chain, most: Sequence[int]) -> list[int]:
    """begin..., end...: none, the symmetric half, or any up to `most` (a window may lie in the padding)."""
    style = c.pick(("none", "half", "any"), (3, 4, 4))
    if style == "none":
        return [0] * (2 * len(most))
    if style == "half":
        return [m // 2 for m in most] * 2
    return [c.integer(0, m) for m in [*most, *most]]


def output_size(
    sizes: Sequence[int], reach: Sequence[int], stride: Sequence[int], pads: list[int], auto: str, ceil: bool
) -> tuple[int, ...]:
    out = []
    for i, (n, r, s) in enumerate(zip(sizes, reach, stride, strict=True)):
        if auto.startswith("SAME"):
            out.append(-(-n // s))
            continue
        begin, end = pads[i], pads[i + len(sizes)]
        room = n + begin + end - r
        steps = room // s + 1
        if ceil and room >= 0 and room % s and steps * s < n + begin:
            steps += 1  # a last window that hangs over the border, unless it would start past the data
        out.append(steps)
    return tuple(out)


def grouping(c: Chain, cin: int) -> tuple[int, int]:
    """(group, output channels): dense, depthwise, depthwise with a multiplier, or grouped."""
    style = c.pick(("dense", "depthwise", "multiplier", "grouped"), (5, 3, 3, 2))
    if style == "depthwise":
        return cin, cin
    if style == "multiplier" and cin <= CHANNELS // 2:
        return cin, cin * c.integer(2, CHANNELS // cin)
    divisors = [d for d in range(2, cin) if cin % d == 0]
    if style == "grouped" and divisors:
        group = c.pick(divisors)
        return group, group * c.integer(1, CHANNELS // group)
    return 1, c.integer(1, CHANNELS)


def conv(c: Chain) -> None:
    cin = c.shape[1]
    group, cout = grouping(c, cin)
    w = window(c, "Conv")
    shape = (cout, cin // group, *w.kernel)
    fan_in = cin // group
    for k in w.kernel:
        fan_in *= k
    consts = [c.floats(c.scaled(shape, fan_in, axis=0))]
    if c.chance(0.7):
        consts.append(c.floats(c.bias([cout])))
    spelled = group if group > 1 or c.chance(0.3) else None
    c.append("Conv", (1, cout, *w.out), consts, group=spelled, **w.attributes)


def max_pool(c: Chain) -> None:
    w = window(c, "MaxPool")
    c.append("MaxPool", (*c.shape[:2], *w.out), **w.attributes)


def average_pool(c: Chain) -> None:
    w = window(c, "AveragePool")
    counted = c.pick((None, 0, 1), (5, 1, 4))
    c.append("AveragePool", (*c.shape[:2], *w.out), count_include_pad=counted, **w.attributes)


def global_average_pool(c: Chain) -> None:
    c.append("GlobalAveragePool", (*c.shape[:2], *[1] * (c.rank - 2)))
