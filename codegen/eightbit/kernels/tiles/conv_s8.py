# SPDX-License-Identifier: Apache-2.0
"""Convolution in tiles of four output channels: a pixel's taps are copied to scratch before it is written."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.program import Call, Tensor
from eightbit.kernels.kernel import Arrays, Kernel
from eightbit.kernels.tiles import biases, overflow, tiled


def scratch(call: Call) -> int:
    return int(call.params.groups * rows(call).shape[1])


def rows(call: Call) -> NDArray[np.int8]:
    return np.asarray(call.consts["weights"].reshape(call.params.out_ch, -1))


def stored_biases(call: Call) -> NDArray[np.int64]:
    return biases(call, call.params.zp_in + 128, rows(call))


def accepts(call: Call, inputs: tuple[Tensor, ...]) -> str:
    return overflow(stored_biases(call), 255 * 255 * rows(call).shape[1])


def pack(call: Call) -> Arrays:
    weights = rows(call)
    grouped = weights.reshape(call.params.groups, -1, weights.shape[1])
    return {
        "weights": tiled(grouped),
        "bias": stored_biases(call).astype(np.int32),
        "mult": call.consts["mult"],
    }


KERNEL = Kernel(
    op="conv", isa="tiles", weights_type="e8_linear_tiles", planar=True, accepts=accepts, pack=pack, scratch=scratch
)
