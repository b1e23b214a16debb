# SPDX-License-Identifier: Apache-2.0
"""Compilers: found or refused with the package that brings them, run with the flags that generated C bears."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from eightbit.errors import BuildError, InputError

DEFAULT_FLAGS = ("-O2",)
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")


class MissingToolError(InputError):
    """A program that is not on the PATH; `packages` are the Debian packages that bring it."""

    def __init__(self, tool: str, where: str, packages: Iterable[str], alternative: str = "") -> None:
        self.tool, self.packages = tool, tuple(packages)
        super().__init__(
            f"there is no program {tool!r}",
            where=where,
            why="it is not on the PATH",
            hint=f"apt install {' '.join(self.packages)}{alternative}",
        )


def missing(tools: Iterable[str]) -> str:
    """The first of the programs that is not there; "" where all are."""
    return next((tool for tool in tools if tool and shutil.which(tool) is None), "")


def need_host_compiler(cc: str) -> None:
    """Refuse a compiler for this machine that is not there; Debian's packages are called like it."""
    if missing([cc]):
        raise MissingToolError(cc, "--cc", [cc], ", or name another one with --cc")


def version(compiler: str) -> str:
    """A compiler's name and version, as its first line says."""
    done = subprocess.run([compiler, "--version"], capture_output=True, text=True, errors="replace", check=False)
    return next(iter(done.stdout.splitlines()), compiler)


def run(command: Sequence[str | Path]) -> None:
    """A compiler or linker whose last argument is the file that it writes."""
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not Path(command[-1]).exists():
        raise BuildError(
            "the C does not compile",
            where=" ".join(map(str, [*command[:1], *command[-3:]])),
            why="\n".join(done.stderr.strip().splitlines()[:12]) or "the compiler wrote no file",
            hint="were files in the folder changed by hand? Compile the model again",
        )
