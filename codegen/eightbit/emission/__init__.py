# SPDX-License-Identifier: Apache-2.0
"""A Layout becomes C, and a folder of files."""
