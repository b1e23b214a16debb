# SPDX-License-Identifier: Apache-2.0
"""Elements in another order: output element i, in memory order, is input element sum(digit_j(i) * stride_j).

The digits of i in the mixed radix `extent` (innermost last) walk the input; six are enough for any
transpose of a tensor of up to six axes. The input is whole and contiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.cfields import LIMITS, S16, S16x6, S32x6
from eightbit.ir.fixed import Int8, Int64
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ops.opdef import Rising, Rows
from eightbit.qdq import QdqGraph

AXES = 6
EXTENT_MAX = LIMITS["e8_s16"]


@dataclass(frozen=True)
class Params:
    out_w: S16
    out_ch: S16
    extent: S16x6
    stride: S32x6


def digits(index: NDArray[np.int64]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Extents and strides, innermost last and padded with ones, of a flat index array; None if there are none."""
    base = index.ravel()
    extents: list[int] = []
    strides: list[int] = []
    while base.size > 1:
        step = int(base[1] - base[0])
        run = _longest_run(base, step)
        if run == 1 or len(extents) == AXES:
            return None
        extents.insert(0, run)
        strides.insert(0, step)
        base = base[::run]
    missing = AXES - len(extents)
    return (1,) * missing + tuple(extents), (0,) * missing + tuple(strides)


def _longest_run(base: NDArray[np.int64], step: int) -> int:
    """The longest block length into which `base` splits so that each block advances by `step`."""
    breaks = np.flatnonzero(np.diff(base) != step)
    first = int(breaks[0]) + 1 if breaks.size else base.size
    for run in range(min(first, EXTENT_MAX), 1, -1):
        if base.size % run == 0:
            blocks = base.reshape(-1, run)
            if (blocks == blocks[:, :1] + step * np.arange(run)).all():
                return run
    return 1


def walk(params: Params) -> Int64:
    """The input position of every output element, in memory order."""
    index = np.zeros((), np.int64)
    for extent, stride in zip(params.extent, params.stride, strict=True):
        index = index[..., None] + np.arange(extent, dtype=np.int64) * stride
    return index.ravel()


class Permute(Rising):
    name = "permute"
    Params = Params
    bits = "y[i] = x[sum(digit_j(i) * stride_j)]"

    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        x = inputs[0]
        return np.asarray(x.reshape(len(x), -1)[:, walk(call.params)].reshape(len(x), *shape))

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return (out.shape[0], call.params.out_w, call.params.out_ch)

    def rows(self, call: Call) -> Rows:
        return Rows(whole=True)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        found = []
        if len(call.params.extent) != AXES or len(call.params.stride) != AXES:
            return [f"extent and stride must have {AXES} entries"]
        if sorted(walk(call.params)) != list(range(ins[0].size)):
            found.append("the digits do not visit every input element once")
        if ins[0].size != out.size:
            found.append("input and output differ in size")
        if (ins[0].scale, ins[0].zero_point) != (out.scale, out.zero_point):
            found.append("input and output must share scale and zero point")
        if "CHW" in (ins[0].order, out.order):
            found.append("input and output must be stored as HWC")
        return found

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        extent, stride = call.params.extent, call.params.stride
        slowest_first = sorted(range(AXES), key=lambda digit: -stride[digit])
        value = graph.memory(call.inputs[0], [extent[digit] for digit in slowest_first])
        perm = [slowest_first.index(digit) for digit in range(AXES)]
        graph.define_memory(call.output, graph.node("Transpose", value, perm=perm))


OP = Permute()
