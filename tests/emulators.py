# SPDX-License-Identifier: Apache-2.0
"""Emulated targets in tests: left out where their tools are not there, unless EIGHTBIT_TARGETS=all forbids it."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eightbit import machine, target
from eightbit.bench import instructions
from eightbit.execution import emulate, toolchain

VARIABLE = "EIGHTBIT_TARGETS"
LEFT_OUT = "left out, its tools are missing: target"

HOST = target.Target(
    name="here",
    summary="This machine, as an emulated target.",
    isa=("ref",),
    cc="gcc",
    board="hosted",
    run=("{elf}",),
    machine=machine.name(Path(sys.executable).resolve()),
    packages=("gcc", "an-emulator"),
)


def everything() -> bool:
    """Whether a missing tool fails the tests."""
    return os.environ.get(VARIABLE) == "all"


def emulated() -> list[str]:
    """The targets that continuous integration runs."""
    return [name for name in target.names() if target.load(name).emulated and target.load(name).ci]


def needs_tools(name: str, *, bench: bool = False) -> None:
    """Leave a test out where a program of the target is missing, saying which package brings it."""
    try:
        emulate.need_tools(target.load(name))
        if bench and target.load(name).machine in instructions.RULES:
            instructions.disassembler(target.load(name))
    except toolchain.MissingToolError as error:
        if everything():
            raise
        pytest.skip(f"{LEFT_OUT} {name} ({error.tool}: {error.hint}, or make toolchains)")


def left_out(report: pytest.TestReport) -> bool:
    """Whether a skipped test is one that `needs_tools` left out."""
    return LEFT_OUT in str(report.longrepr)


def emulator(folder: Path, script: str) -> target.Target:
    """HOST with an emulator of one's own: a shell script whose first argument is the program."""
    path = folder / "emulator"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return replace(HOST, run=(str(path), "{elf}"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
