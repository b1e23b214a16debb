# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the float graph: what goes into weights and windows, what was spelled out, arithmetic with constants."""
