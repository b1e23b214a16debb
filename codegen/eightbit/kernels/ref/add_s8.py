# SPDX-License-Identifier: Apache-2.0
"""Portable sum of two tensors: element by element, each read before its place is written."""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="add", isa="ref")
