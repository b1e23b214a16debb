# SPDX-License-Identifier: Apache-2.0
"""What runs during an inference, counted in the emulator.

QEMU counts instructions by a plug-in of ours (targets/emulators/count.c), compiled for this machine when it is needed;
the simulators of AVR and MSP430 count cycles too, the latter of the whole only. The program is not changed for it: the
run function is found by its address.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from eightbit import resources
from eightbit.bench import elf
from eightbit.bench.elf import RunCode
from eightbit.errors import BuildError
from eightbit.execution import toolchain
from eightbit.target import Target

HOST_COMPILER = "gcc"
COUNTS = "counts.txt"


@dataclass(frozen=True)
class Block:
    """Instructions at `addresses` that ran `runs` times from `site` of the run function (0: are its own).

    After the last one a jump was `taken` so many times. `cycles` of all runs, where the simulator tells.
    """

    site: int
    runs: int
    taken: int
    addresses: tuple[int, ...]
    cycles: int | None = None


@dataclass(frozen=True)
class Counts:
    """One inference. `blocks`: empty where only the whole is counted. `cycles`: None where none are."""

    instructions: int
    cycles: int | None
    blocks: tuple[Block, ...]


def counted(target: Target, run: RunCode, program: Path) -> Target:
    """The target with an emulator that counts, into a file beside the program."""
    arguments = [f"entry={run.entry:#x}", f"out={program.parent / COUNTS}"]
    ranges = [f"code={low:#x}-{high:#x}" for low, high in run.ranges]
    if target.count == "plugin":
        plugin = ",".join([str(_plugin(program.parent)), *arguments, *ranges])
        return replace(target, run=(target.run[0], "-plugin", plugin, *target.run[1:]))
    more = ranges if target.count == "simavr" else [f"return={elf.behind_msp430_call(program, run.entry):#x}"]
    return replace(target, run=(*target.run, *arguments, *more))


def _plugin(work: Path) -> Path:
    if toolchain.missing([HOST_COMPILER]):
        raise toolchain.MissingToolError(HOST_COMPILER, "the plug-in that counts instructions in QEMU", ["gcc"])
    source, library = resources.targets() / "emulators" / "count.c", work / "count.so"
    toolchain.run([HOST_COMPILER, "-std=c99", "-O2", "-shared", "-fPIC", source, "-o", library])
    return library


def read(program: Path, inference: int) -> Counts:
    """What was counted in an inference, numbered from 0."""
    path = program.parent / COUNTS
    text = path.read_text(encoding="ascii") if path.exists() else ""
    parts = text.split("begin\n")[1:]
    if len(parts) <= inference or not parts[inference].endswith("\nend\n"):
        raise BuildError(
            "the emulator counted nothing",
            where=f"inference {inference + 1}",
            why=f"it saw {len(parts)} of them begin",
            hint="QEMU needs plug-ins of version 1: QEMU 4.2 to 8.2, configured with plug-ins, as Debian 12 has it",
        )
    return parse(parts[inference].splitlines()[:-1])


def parse(lines: Sequence[str]) -> Counts:
    """Lines between `begin` and `end`; their numbers are hexadecimal."""
    blocks, instructions, cycles = [], 0, None
    for line in lines:
        kind, *words = line.split()
        numbers = [int(word, 16) for word in words]
        if kind == "t":
            return Counts(numbers[0], numbers[1], ())
        site, runs, extra, *addresses = numbers
        block = Block(site, runs, extra if kind == "b" else 0, tuple(addresses), extra if kind == "c" else None)
        instructions += runs * len(addresses)
        cycles = cycles if block.cycles is None else (cycles or 0) + block.cycles
        blocks.append(block)
    return Counts(instructions, cycles, tuple(blocks))
