# SPDX-License-Identifier: Apache-2.0
"""This machine as one whose smallest type has 16 bits, and whose compiler knows no extension of GNU C.

So are DSPs for which no free compiler exists. The sizes of int and of addresses stay this machine's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from eightbit.execution.toolchain import WARNINGS

STDINT = """
typedef short int_least8_t, int_least16_t;
typedef unsigned short uint_least8_t, uint_least16_t;
typedef int int_least32_t;
typedef unsigned uint_least32_t;
typedef long int_least64_t;
"""
STDDEF = """
typedef long ptrdiff_t;
typedef unsigned long size_t;
#define NULL ((void *)0)
"""
PLAIN_C = ("-nostdinc", "-U__GNUC__", "-U__clang__")


def headers(folder: Path) -> Path:
    """A folder with the only headers there are."""
    folder.mkdir()
    (folder / "stdint.h").write_text(STDINT)
    (folder / "stddef.h").write_text(STDDEF)
    return folder


def compiled(compiler: str, include: Path, source: Path, into: Path, *flags: str) -> Path:
    """An object file; AssertionError with the compiler's words if there is none."""
    command = [compiler, "-std=c99", *WARNINGS, *PLAIN_C, "-O2", "-isystem", include, *flags, "-c", source, "-o", into]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return into
