# SPDX-License-Identifier: Apache-2.0
"""Portable transpose: reads its input in any order, so nothing of it may be overwritten before the end."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="permute", isa="ref", flat=True, reread=True)
