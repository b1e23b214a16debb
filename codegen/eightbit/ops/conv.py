# SPDX-License-Identifier: Apache-2.0
"""Convolution with any kernel, stride, padding, dilation and groups. weights s8 [out_ch, kh, kw, in_ch/groups]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.fixed import Int8, Int64
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.windows import taps
from eightbit.ops.linear import Windowed, surplus
from eightbit.ops.opdef import Interval
from eightbit.qdq import QdqGraph


class Conv(Windowed):
    name = "conv"
    channel_axis = 0

    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64:
        p, kind = call.params, self.exact_float(call)
        batch, groups, depth = len(x), p.groups, p.in_ch // p.groups
        kernels = call.consts["weights"].astype(kind).reshape(groups, -1, p.kh, p.kw, depth)
        kernels = np.ascontiguousarray(kernels.transpose(2, 3, 0, 4, 1))  # fast products want plain matrices
        acc = np.zeros((groups, batch * shape[0] * shape[1], p.out_ch // groups), kind)
        for ky, kx, tap in taps(x.astype(kind) - kind(p.zp_in), p, shape[0], shape[1], 0.0):
            columns = tap.reshape(-1, groups, depth).transpose(1, 0, 2)
            acc += np.ascontiguousarray(columns) @ kernels[ky, kx]
        return acc.transpose(1, 0, 2).reshape(batch, *shape).astype(np.int64)

    def ignored(self, call: Call, x: Tensor, out: Tensor, held: Interval) -> NDArray[np.bool_] | None:
        """Channels without a weight, at their zero point, or constant under windows that never leave the image."""
        if call.params.groups != 1:
            return None
        steady = (held.low == held.high) & ((held.low == call.params.zp_in) | self.inside(call, out.shape))
        return np.asarray(steady | ~call.consts["weights"].any(axis=(0, 1, 2)))

    def narrowed(self, call: Call, x: Tensor, held: Interval, kept_in: Int64, kept_out: Int64) -> Call:
        weights = call.consts["weights"]
        bias = call.consts["bias"] + weights.sum(axis=(1, 2), dtype=np.int64) @ surplus(
            held, call.params.zp_in, kept_in
        )
        fields = {"in_ch": len(kept_in), "out_ch": len(kept_out)}
        return self.with_channels(call, weights[kept_out][..., kept_in], bias, kept_out, **fields)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p = call.params
        if p.groups < 1 or p.in_ch % p.groups or p.out_ch % p.groups:
            return [f"{p.in_ch} -> {p.out_ch} channels do not split into {p.groups} groups"]
        weights = (p.out_ch, p.kh, p.kw, p.in_ch // p.groups)
        return self.input_findings(call, ins) + self.weight_findings(call, weights)

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        graph.convolution(call, call.consts["weights"].transpose(0, 3, 1, 2), call.params.groups)


OP = Conv()
