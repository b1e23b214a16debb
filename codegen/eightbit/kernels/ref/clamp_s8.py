# SPDX-License-Identifier: Apache-2.0
"""Portable clamp."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="clamp", isa="ref")
