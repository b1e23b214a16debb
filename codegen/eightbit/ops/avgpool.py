# SPDX-License-Identifier: Apache-2.0
"""Average over windows, with one multiplier per number of cells that occurs.

The sum runs over taps inside the image; the divisor counts taps inside [count_y0, count_y1) x
[count_x0, count_x1), which is the image, or with count_include_pad the image and its padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.cfields import S16, S32
from eightbit.ir.fixed import Int8, Int64, Shifts, requantise
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.ties import Float, of_averages
from eightbit.ir.windows import Window, findings, reach, tap_counts, taps
from eightbit.ops.opdef import Rising, Rows, farthest
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params(Window):
    ch: S16
    count_y0: S16
    count_y1: S16
    count_x0: S16
    count_x1: S16
    counts_n: S16
    zp_in: S16
    acc_lshift: S16
    out_rshift: S16
    act_min: S16
    act_max: S16
    out_c: S32


def cells(p: Any, out_h: int, out_w: int) -> NDArray[np.int64]:
    """The divisor of every output position: int64 [out_h, out_w]."""
    rows = tap_counts(out_h, p.kh, p.stride_y, p.dil_y, p.pad_top, p.count_y0, p.count_y1)
    columns = tap_counts(out_w, p.kw, p.stride_x, p.dil_x, p.pad_left, p.count_x0, p.count_x1)
    return rows[:, None] * columns[None, :]


def window_sums(x: Int8, window: Window, zp: int, shape: Shape) -> Int64:
    """sum(x - zp) over the taps inside the image: int64 [N, *shape]."""
    acc = np.zeros((len(x), *shape), np.int64)
    for _, _, tap in taps(x.astype(np.int64) - zp, window, shape[0], shape[1], 0):
        acc += tap
    return acc


class AvgPool(Rising):
    """counts s16 [n] ascending, mult s32 [n]: the multiplier of each divisor that occurs."""

    name = "avgpool"
    Params = Params
    channelwise = True
    consts = {"counts": "int16", "mult": "int32"}
    bits = "acc = sum(x - zp); y = clamp((mulhi(acc << l, mult[cells]) + c) >> k)"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        p, acc = call.params, self.accumulate(call, inputs[0], shape)
        which = np.searchsorted(call.consts["counts"], cells(p, shape[0], shape[1]))
        mult = call.consts["mult"].astype(np.int64)[which][:, :, None]
        return requantise(acc, mult, Shifts(p.acc_lshift, p.out_rshift), p.out_c, p.act_min, p.act_max)

    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64:
        return window_sums(x, call.params, call.params.zp_in, shape)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return (out.shape[0], call.params.out_w, call.params.ch)

    def rows(self, call: Call) -> Rows:
        return Rows(call.params.stride_y, call.params.pad_top, reach(call.params))

    def accumulator_bound(self, call: Call, low: int, high: int) -> Int64:
        p = call.params
        return np.array([p.kh * p.kw * farthest(p.zp_in, low, high)], np.int64)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p, found = call.params, findings(call.params)
        counts = call.consts["counts"]
        if ins[0].shape != (p.in_h, p.in_w, p.ch):
            found.append(f"params are for an input of {p.in_h}x{p.in_w}x{p.ch}")
        if found:
            return found
        if not np.isin(cells(p, out.shape[0], out.shape[1]), counts).all() or 0 in counts:
            found.append("a window has a number of cells without a multiplier")
        if counts.shape != (p.counts_n,) or call.consts["mult"].shape != (p.counts_n,):
            found.append(f"counts and mult must have {p.counts_n} entries")
        return found

    def from_half(self, call: Call, inputs: Sequence[Int8], ins: Sequence[Tensor], out: Tensor) -> Float:
        sums = window_sums(inputs[0], call.params, ins[0].zero_point, out.shape)
        counts = cells(call.params, out.shape[0], out.shape[1])[:, :, None]
        return of_averages(sums, counts, ins[0].ratio / out.ratio)

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        x, window = graph.window(call)
        include_pad = self._onnx_counting(call.params, window)
        if include_pad is None:
            mean = self._quotient(graph, call, x, window)
        else:
            del window["dilations"]  # AveragePool has none before opset 19
            mean = graph.node("AveragePool", x, count_include_pad=include_pad, **window)
        graph.define(call.output, graph.rounded(call, mean))

    def _onnx_counting(self, p: Any, window: dict[str, list[int]]) -> int | None:
        """The count_include_pad with which AveragePool divides by the same cells; None if there is none."""
        top, left, bottom, right = window["pads"]
        if window["dilations"] != [1, 1] or max(top, bottom) >= p.kh or max(left, right) >= p.kw:
            return None  # ONNX Runtime refuses pads as large as the kernel
        if (p.count_y0, p.count_y1, p.count_x0, p.count_x1) == (0, p.in_h, 0, p.in_w):
            return 0
        rows = p.count_y0 <= -top and p.count_y1 >= p.in_h + bottom
        return 1 if rows and p.count_x0 <= -left and p.count_x1 >= p.in_w + right else None

    def _quotient(self, graph: QdqGraph, call: Call, x: str, window: dict[str, list[int]]) -> str:
        """Each window's sum over its number of counted cells, both from convolutions with ones."""
        p, out = call.params, graph.tensor(call.output).shape
        ones = np.ones((p.ch, 1, p.kh, p.kw), np.float32)
        total = graph.node("Conv", x, graph.constant("ones", ones), group=p.ch, **window)
        rows = np.arange((out[0] - 1) * p.stride_y + reach(p)) - p.pad_top
        columns = np.arange((out[1] - 1) * p.stride_x + (p.kw - 1) * p.dil_x + 1) - p.pad_left
        counted_rows = (rows >= p.count_y0) & (rows < p.count_y1)
        counted = counted_rows[:, None] & (columns >= p.count_x0) & (columns < p.count_x1)
        area = graph.constant("counted", counted[None, None].astype(np.float32))
        window = {**window, "pads": [0, 0, 0, 0]}
        return graph.node("Div", total, graph.node("Conv", area, graph.constant("one", ones[:1]), **window))


OP = AvgPool()
