# SPDX-License-Identifier: Apache-2.0
"""Portable fully connected layer: every output reads the whole input again."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="fc", isa="ref", weights_type="e8_linear_ref", flat=True, reread=True)
