# SPDX-License-Identifier: Apache-2.0
"""Emulated targets in tests: left out where their tools are not there, unless EIGHTBIT_TARGETS=all forbids it."""

from __future__ import annotations

import os

import pytest

from eightbit import emulate, target, toolchain

VARIABLE = "EIGHTBIT_TARGETS"


def everything() -> bool:
    """Whether a missing tool fails the tests."""
    return os.environ.get(VARIABLE) == "all"


def emulated() -> list[str]:
    """The targets that continuous integration runs."""
    return [name for name in target.names() if target.load(name).emulated and target.load(name).ci]


def needs_tools(name: str) -> None:
    """Leave a test out where a program of the target is missing, saying which package brings it."""
    try:
        emulate.need_tools(target.load(name))
    except toolchain.MissingToolError as error:
        if everything():
            raise
        pytest.skip(f"target {name} did not run: {error.tool} is missing (apt install {' '.join(error.packages)})")
