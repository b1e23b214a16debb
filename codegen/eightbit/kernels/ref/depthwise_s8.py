# SPDX-License-Identifier: Apache-2.0
"""Portable depthwise convolution.

`reread` holds for channel multipliers above 1 only; without one, a channel is read for the last time before
that channel is written.
"""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="depthwise", isa="ref", weights_type="e8_linear_ref", planar=True, reread=True)
