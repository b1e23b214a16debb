# SPDX-License-Identifier: Apache-2.0
"""Fully connected layer in tiles of four outputs: every tile reads the whole input again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.program import Call, Tensor
from eightbit.kernels.kernel import Arrays, Kernel
from eightbit.kernels.tiles import biases, overflow, tiled


def stored_biases(call: Call) -> NDArray[np.int64]:
    return biases(call, call.params.zp_in, call.consts["weights"])


def accepts(call: Call, inputs: tuple[Tensor, ...]) -> str:
    return overflow(stored_biases(call), 128 * (255 + 128) * call.params.in_n)


def pack(call: Call) -> Arrays:
    return {
        "weights": tiled(call.consts["weights"][None]),
        "bias": stored_biases(call).astype(np.int32),
        "mult": call.consts["mult"],
    }


KERNEL = Kernel(
    op="fc", isa="tiles", weights_type="e8_linear_tiles", flat=True, reread=True, accepts=accepts, pack=pack
)
