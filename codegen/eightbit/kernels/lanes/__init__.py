# SPDX-License-Identifier: Apache-2.0
"""Facts of the kernels in lanes: portable C99 that compilers make vectors of, for the operators that take the time."""
