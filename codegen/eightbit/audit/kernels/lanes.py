# SPDX-License-Identifier: Apache-2.0
"""Kernels of the folder `lanes`."""

from __future__ import annotations

import numpy as np

from eightbit.audit.kernels.layout import Arrays, Layout
from eightbit.audit.model import Call


def blocks_of_16(call: Call) -> Arrays:
    """Output channels first, 16 to a block, filled up with 0; in a block they are the last axis."""
    found = {}
    for role, array in call.consts.items():
        blocks = np.zeros((-(-len(array) // 16), *array.shape[1:], 16), array.dtype)
        for channel, values in enumerate(array):
            blocks[channel // 16, ..., channel % 16] = values
        found[role] = blocks
    return found


LAYOUTS = (Layout("e8_conv_s8__lanes", "conv", blocks_of_16), Layout("e8_depthwise_s8__lanes", "depthwise"))
