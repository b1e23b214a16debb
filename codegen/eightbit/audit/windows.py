# SPDX-License-Identifier: Apache-2.0
"""Which taps of a sliding window lie inside the image, position by position."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.model import Call, Tensor

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Axis:
    """Rows or columns of a window: `out` positions over `size` cells."""

    size: int
    out: int
    taps: int
    stride: int
    dilation: int
    pad: int

    def cells(self) -> NDArray[np.int64]:
        """The cell that each tap of each position reads: [out, taps]; below 0 or from `size` on is padding."""
        return np.arange(self.out)[:, None] * self.stride - self.pad + np.arange(self.taps)[None, :] * self.dilation

    def inside(self, low: int = 0, high: int | None = None) -> Flags:
        cells = self.cells()
        return np.asarray((cells >= low) & (cells < (self.size if high is None else high)))


def axes(call: Call, out: Tensor) -> tuple[Axis, Axis]:
    """The vertical and the horizontal axis of a windowed call."""
    n = call.number
    return (
        Axis(n("in_h"), out.shape[0], n("kh"), n("stride_y"), n("dil_y"), n("pad_top")),
        Axis(n("in_w"), out.shape[1], n("kw"), n("stride_x"), n("dil_x"), n("pad_left")),
    )


def patterns(call: Call, out: Tensor) -> list[Flags]:
    """Every set of taps [kh, kw] inside the image that occurs at some output position."""
    rows, columns = (np.unique(axis.inside(), axis=0) for axis in axes(call, out))
    return [row[:, None] & column[None, :] for row in rows for column in columns]


def averages(call: Call, out: Tensor) -> Counter[tuple[int, int]]:
    """(cells summed, cells that the divisor counts) of the windows of an average, and how often each occurs."""
    limits = [("count_y0", "count_y1"), ("count_x0", "count_x1")]
    pairs = []
    for axis, (low, high) in zip(axes(call, out), limits, strict=True):
        summed = axis.inside().sum(axis=1)
        counted = axis.inside(call.number(low), call.number(high)).sum(axis=1)
        pairs.append(Counter(zip(summed.tolist(), counted.tolist(), strict=True)))
    found: Counter[tuple[int, int]] = Counter()
    for (summed_y, counted_y), times_y in pairs[0].items():
        for (summed_x, counted_x), times_x in pairs[1].items():
            found[summed_y * summed_x, counted_y * counted_x] += times_y * times_x
    return found
