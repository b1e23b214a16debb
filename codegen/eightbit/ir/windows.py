# SPDX-License-Identifier: Apache-2.0
"""Sliding windows over images: the taps of convolutions and pools, as views of one padded array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.cfields import S16


@dataclass(frozen=True)
class Window:
    """The geometry that the Params of every windowed operator start with."""

    in_h: S16
    in_w: S16
    out_w: S16
    kh: S16
    kw: S16
    stride_y: S16
    stride_x: S16
    dil_y: S16
    dil_x: S16
    pad_top: S16
    pad_left: S16


def findings(window: Window) -> list[str]:
    """What is wrong with a geometry, whatever the operator."""
    least = dict.fromkeys(("in_h", "in_w", "out_w", "kh", "kw", "stride_y", "stride_x", "dil_y", "dil_x"), 1)
    least |= {"pad_top": 0, "pad_left": 0}
    return [
        f"{name} = {getattr(window, name)} is less than {low}"
        for name, low in least.items()
        if getattr(window, name) < low
    ]


def reach(window: Window) -> int:
    """Input rows from a window's first to its last tap."""
    return (window.kh - 1) * window.dil_y + 1


def taps(
    x: NDArray[Any], window: Window, out_h: int, out_w: int, outside: float
) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """(ky, kx, view [N, out_h, out_w, C]) of every tap; cells outside the image read `outside`."""
    bottom = (out_h - 1) * window.stride_y + reach(window) - window.pad_top - window.in_h
    right = (out_w - 1) * window.stride_x + (window.kw - 1) * window.dil_x + 1 - window.pad_left - window.in_w
    pad = ((0, 0), (window.pad_top, max(0, bottom)), (window.pad_left, max(0, right)), (0, 0))
    padded = np.pad(x, pad, constant_values=outside)
    for ky in range(window.kh):
        for kx in range(window.kw):
            y, x0 = ky * window.dil_y, kx * window.dil_x
            yield (
                ky,
                kx,
                padded[
                    :,
                    y : y + (out_h - 1) * window.stride_y + 1 : window.stride_y,
                    x0 : x0 + (out_w - 1) * window.stride_x + 1 : window.stride_x,
                ],
            )


def tap_counts(out: int, taps_: int, stride: int, dilation: int, pad: int, low: int, high: int) -> NDArray[np.int64]:
    """Per output position along one axis, how many of its taps lie in [low, high)."""
    first = np.arange(out)[:, None] * stride - pad
    positions = first + np.arange(taps_)[None, :] * dilation
    return np.asarray(((positions >= low) & (positions < high)).sum(axis=1), np.int64)
