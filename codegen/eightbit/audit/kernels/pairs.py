# SPDX-License-Identifier: Apache-2.0
"""Kernels of the folder `pairs`."""

from __future__ import annotations

from eightbit.audit.kernels import tiles
from eightbit.audit.kernels.layout import Layout

LAYOUTS = (Layout("e8_conv_s8__pairs", "conv", tiles.convolution, lambda call: 2 * tiles.taps(call)),)
