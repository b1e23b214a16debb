# SPDX-License-Identifier: Apache-2.0
"""Where templates, runtime_c and targets are: beside this file in a wheel, at the root of a checkout."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def root() -> Path:
    """The first of the package folder and the checkout that holds `templates`."""
    package = Path(__file__).resolve().parent
    return next(folder for folder in (package, package.parent.parent) if (folder / "templates").is_dir())


def templates() -> Path:
    return root() / "templates"


def runtime() -> Path:
    return root() / "runtime_c"


def targets() -> Path:
    return root() / "targets"


def boards() -> Path:
    """Start-up code and linker scripts of emulated boards, one folder each."""
    return targets() / "boards"
