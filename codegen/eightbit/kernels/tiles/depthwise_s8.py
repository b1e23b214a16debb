# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution through a list of pointers to taps.

`reread` holds for channel multipliers above 1 only; without one, a channel is read for the last time before
that channel is written.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.program import Call, Tensor
from eightbit.kernels.kernel import Arrays, Kernel
from eightbit.kernels.tiles import biases, overflow

MOST_TAPS = 25  # pointers on the stack


def rows(call: Call) -> NDArray[np.int8]:
    """[out_ch, taps]"""
    return np.ascontiguousarray(call.consts["weights"].reshape(-1, call.params.out_ch).T)


def stored_biases(call: Call) -> NDArray[np.int64]:
    return biases(call, call.params.zp_in, rows(call))


def accepts(call: Call, inputs: tuple[Tensor, ...]) -> str:
    taps = rows(call).shape[1]
    return f"it has more than {MOST_TAPS} taps" if taps > MOST_TAPS else overflow(stored_biases(call), 128 * 128 * taps)


def pack(call: Call) -> Arrays:
    return {"weights": rows(call), "bias": stored_biases(call).astype(np.int32), "mult": call.consts["mult"]}


def scratch(call: Call) -> int:
    return int(call.params.in_ch)


KERNEL = Kernel(
    op="depthwise",
    isa="tiles",
    weights_type="e8_depthwise_tiles",
    reread=True,
    accepts=accepts,
    pack=pack,
    scratch=scratch,
)
