# SPDX-License-Identifier: Apache-2.0
"""Portable global average.

It writes in its last launch only, channel by channel, and reads that launch's rows again for each. One launch
of all rows needs no state; a run in parts needs `ch` words of 32 bits.
"""

from eightbit.kernels.kernel import Kernel

KERNEL = Kernel(op="gap", isa="ref", planar=True, reread=True)
