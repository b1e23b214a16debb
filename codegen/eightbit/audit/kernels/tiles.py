# SPDX-License-Identifier: Apache-2.0
"""Kernels of the folder `tiles`."""

from __future__ import annotations

from eightbit.audit.kernels.layout import Arrays, Layout, tiles_of_four, without_zero
from eightbit.audit.model import Call


def convolution(call: Call) -> Arrays:
    """Taps are stored as x + 128."""
    return tiles_of_four(call, call.number("groups"), 128)


def taps(call: Call) -> int:
    return call.number("kh") * call.number("kw") * call.number("in_ch")


def dense(call: Call) -> Arrays:
    return tiles_of_four(call, 1, 0)


def channel_by_channel(call: Call) -> Arrays:
    """All taps of a channel, then those of the next; zero points are in the biases."""
    weights = call.consts["weights"]
    lines = weights.reshape(-1, weights.shape[-1]).T
    return without_zero(call, lines.ravel(), lines, call.number("zp_in"))


LAYOUTS = (
    Layout("e8_conv_s8__tiles", "conv", convolution, taps),
    Layout("e8_fc_s8__tiles", "fc", dense),
    Layout("e8_depthwise_s8__tiles", "depthwise", channel_by_channel, lambda call: call.number("in_ch")),
)
