# SPDX-License-Identifier: Apache-2.0
"""Portable maximum pool."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="maxpool", isa="ref", planar=True)
