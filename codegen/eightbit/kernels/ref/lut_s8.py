# SPDX-License-Identifier: Apache-2.0
"""Portable table of 256 results, its only stream."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="lut", isa="ref")
