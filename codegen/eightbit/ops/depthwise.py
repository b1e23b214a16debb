# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution: output channel o reads input channel o // (out_ch / in_ch). weights s8 [kh, kw, out_ch]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eightbit.ir.fixed import Int8, Int64
from eightbit.ir.program import Call, Shape, Tensor
from eightbit.ir.windows import taps
from eightbit.ops.linear import Windowed
from eightbit.ops.opdef import Interval
from eightbit.qdq import QdqGraph


class Depthwise(Windowed):
    name = "depthwise"
    channel_axis = 2
    mixes = False

    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64:
        p, kind = call.params, self.exact_float(call)
        weights = call.consts["weights"].astype(kind)
        centred = np.repeat(x.astype(kind) - kind(p.zp_in), p.out_ch // p.in_ch, axis=3)
        acc = np.zeros((len(x), *shape), kind)
        for ky, kx, tap in taps(centred, p, shape[0], shape[1], 0.0):
            acc += tap * weights[ky, kx]
        return acc.astype(np.int64)

    def sources(self, call: Call) -> Int64:
        return np.asarray(np.arange(call.params.out_ch) // (call.params.out_ch // call.params.in_ch))

    def narrowed(self, call: Call, x: Tensor, held: Interval, kept_in: Int64, kept_out: Int64) -> Call:
        fields = {"in_ch": len(kept_in), "groups": len(kept_in), "out_ch": len(kept_out)}
        weights, bias = call.consts["weights"][..., kept_out], call.consts["bias"]
        return self.with_channels(call, weights, bias, kept_out, **fields)

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        p = call.params
        if p.out_ch % p.in_ch or p.groups != p.in_ch:
            return [f"{p.groups} groups and {p.out_ch} outputs for {p.in_ch} input channels"]
        return self.input_findings(call, ins) + self.weight_findings(call, (p.kh, p.kw, p.out_ch))

    def qdq(self, graph: QdqGraph, call: Call) -> None:
        graph.convolution(call, call.consts["weights"].transpose(2, 0, 1)[:, None], call.params.in_ch)


OP = Depthwise()
