# SPDX-License-Identifier: Apache-2.0
"""Portable convolution: every output channel reads the pixel's taps again, after the last one was written."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="conv", isa="ref", weights_type="e8_linear_ref", planar=True, reread=True)
