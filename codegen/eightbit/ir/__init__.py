# SPDX-License-Identifier: Apache-2.0
"""The fixed-point network: its arithmetic, the Program and its text, what is proven of it, and its rewrites."""
