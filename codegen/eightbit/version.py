# SPDX-License-Identifier: Apache-2.0
"""The version of the program, and that of its numbers."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

# Raised when a model with the same calibration gives other bits; tests/golden/numerics.txt has the hashes of each.
NUMERICS = 1


def tool_version() -> str:
    try:
        return version("eightbit")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0+source"
