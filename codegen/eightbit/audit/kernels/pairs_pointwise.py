# SPDX-License-Identifier: Apache-2.0
"""The kernel of `pairs` for 1x1 windows."""

from __future__ import annotations

from eightbit.audit.kernels import tiles
from eightbit.audit.kernels.layout import Layout

LAYOUTS = (Layout("e8_conv_pointwise_s8__pairs", "conv", tiles.convolution, lambda call: 2 * call.number("in_ch")),)
