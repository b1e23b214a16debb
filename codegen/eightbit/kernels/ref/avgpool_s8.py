# SPDX-License-Identifier: Apache-2.0
"""Portable average pool: a multiplier per number of cells."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="avgpool", isa="ref", weights_type="e8_average_ref", planar=True)
