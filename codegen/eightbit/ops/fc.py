# SPDX-License-Identifier: Apache-2.0
"""Fully connected layer over a whole tensor, in the order of its memory. weights s8 [out_n, in_n]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.cfields import S16, S32
from eightbit.ir.fixed import Int8, Int64
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ops.linear import Linear, surplus
from eightbit.ops.opdef import Interval, Rows
from eightbit.qdq import QdqGraph


@dataclass(frozen=True)
class Params:
    in_n: S32
    out_n: S16
    zp_in: S16
    acc_lshift: S16
    out_rshift: S16
    act_min: S16
    act_max: S16
    out_c: S32


class Fc(Linear):
    name = "fc"
    Params = Params
    channel_axis = 0

    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64:
        kind = self.exact_float(call)
        centred = x.reshape(len(x), -1).astype(kind) - kind(call.params.zp_in)
        acc = centred @ call.consts["weights"].astype(kind).T
        return np.asarray(acc.reshape(len(x), *shape), np.int64)

    def patches(self, call: Call, x: Int8, shape: Shape, rows: Int64) -> NDArray[np.int16]:
        return x.reshape(1, len(x), -1)[:, rows].astype(np.int16) - np.int16(call.params.zp_in)

    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        return (1, 1, call.params.out_n)

    def rows(self, call: Call) -> Rows:
        return Rows(whole=True)

    def ignored(self, call: Call, x: Tensor, out: Tensor, held: Interval) -> NDArray[np.bool_]:
        """Channels without a weight, and constant ones: there is no border."""
        return np.asarray((held.low == held.high) | ~_pixels(call, x).any(axis=(0, 1)))

    def narrowed(self, call: Call, x: Tensor, held: Interval, kept_in: Int64, kept_out: Int64) -> Call:
        weights = _pixels(call, x)
        bias = call.consts["bias"] + weights.sum(axis=1, dtype=np.int64) @ surplus(held, call.params.zp_in, kept_in)
        matrix = weights[kept_out][..., kept_in].reshape(len(kept_out), -1)
        fields = {"in_n": matrix.shape[1], "out_n": len(kept_out)}
        return self.with_channels(call, matrix, bias, kept_out, **fields)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p = call.params
        found = self.weight_findings(call, (p.out_n, p.in_n))
        if ins[0].size != p.in_n:
            found.append(f"input has {ins[0].size} elements, params say {p.in_n}")
        if ins[0].order != "HWC":
            found.append("input must be stored as HWC")
        return found

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        x = graph.real(call.inputs[0], graph.memory(call.inputs[0], (1, call.params.in_n)))
        y = graph.node("Gemm", x, *graph.weights(call, call.consts["weights"]), transB=1)
        graph.define_memory(call.output, graph.rounded(call, y))


def _pixels(call: Call, x: Tensor) -> Int8:
    """Weights [out_n, pixels, channels of x]."""
    return np.asarray(call.consts["weights"].reshape(call.params.out_n, -1, x.shape[2]))


OP = Fc()
