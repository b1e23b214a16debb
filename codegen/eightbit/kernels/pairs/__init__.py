# SPDX-License-Identifier: Apache-2.0
"""Facts of kernels that keep eight sums in registers: portable C99 for cores with thirteen or more, without SIMD."""
