# SPDX-License-Identifier: Apache-2.0
"""Facts of the portable C99 kernels: the definition in C of every operator."""
