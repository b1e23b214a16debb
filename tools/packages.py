#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the Debian packages of every target that continuous integration runs, one a line. Needs Python 3.11 only."""

import tomllib
from pathlib import Path

TARGETS = Path(__file__).resolve().parent.parent / "targets"


def packages() -> list[str]:
    """Sorted, each once."""
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in TARGETS.glob("*.toml")]
    return sorted({package for table in tables if table.get("ci") for package in table.get("packages", [])})


if __name__ == "__main__":
    print("\n".join(packages()))  # noqa: T201 - this is its result
