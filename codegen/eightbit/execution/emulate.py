# SPDX-License-Identifier: Apache-2.0
"""Run the C on another processor: built for a target, run by its emulator, every byte compared with the simulator.

What the program should print is never part of it: the host compares.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from eightbit import simulate
from eightbit.errors import BuildError
from eightbit.execution import board_log, firmware, protocol, toolchain
from eightbit.execution.compare import VerifyResult, coded_calls, compare, written_order
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.target import Target

DEFAULT = Options()
TIMEOUT = 300  # seconds for one batch
VECTOR_BYTES = 16384  # of inputs in one program, unless one vector alone is larger


def verify(
    out: Path,
    program: Program,
    target: Target,
    inputs: Mapping[str, Int8],
    traced: bool = False,
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
    timeout: float = TIMEOUT,
    options: Options = DEFAULT,
) -> VerifyResult:
    """Run the C in folder `out`, which was emitted for `target` with `options`, on input batches.

    `traced`: compare every row too.
    """
    need_tools(target)
    order, results = written_order(program, traced), []
    with tempfile.TemporaryDirectory(prefix="eightbit-emulate-") as folder:
        kit = firmware.prepare(Path(folder), options.sources(out), program, target, cflags, traced, options)
        batch = max(1, min(simulate.CHUNK, VECTOR_BYTES // kit.context["input_total"]))
        for start in range(0, len(next(iter(inputs.values()))), batch):
            memory = simulate.memory(program, {name: x[start : start + batch] for name, x in inputs.items()})
            vectors = np.concatenate([memory[port.tensor] for port in program.inputs], axis=1)
            text = run(target, firmware.link(kit, vectors), timeout)
            printed = protocol.parse(text, script(program, kit.context["name"], len(vectors), traced))
            found = compare(target.name, program, order, memory, printed.made, start)
            best = np.stack([memory[port.tensor].argmax(axis=1) for port in program.outputs], axis=1)
            results.append((found, int((printed.argmax != best[:, None, :]).sum()), printed))
    return VerifyResult(
        samples=len(next(iter(inputs.values()))),
        differing_bytes=sum(found.differing for found, _, _ in results),
        compared_bytes=sum(found.compared for found, _, _ in results),
        guards_intact=all(printed.intact for _, _, printed in results),
        first_difference=next((found.first for found, _, _ in results if found.first is not None), None),
        target=target.name,
        compiler=target.cc,
        flags=(*target.cflags, *cflags),
        machine=target.machine,
        emulator=" ".join(target.run).format_map({"elf": "ELF", "board": target.board}),
        differing_argmax=sum(wrong for _, wrong, _ in results),
        inputs_intact=all(printed.inputs_intact for _, _, printed in results),
    )


def selftest(
    out: Path,
    program: Program,
    target: Target,
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
    options: Options = DEFAULT,
) -> board_log.LogResult:
    """What the self-test in folder `out` prints on the target, read as a board's log."""
    need_tools(target)
    with tempfile.TemporaryDirectory(prefix="eightbit-emulate-") as folder:
        elf = firmware.selftest(Path(folder), options.sources(out), program, target, cflags, options)
        return board_log.compare_log(run(target, elf), program, f"target {target.name}")


def need_tools(target: Target) -> None:
    """Refuse where a program that the target needs is not there; a target of this machine runs without an emulator."""
    tool = toolchain.missing(
        (target.cc, target.ld, *(word for word in target.run[:1] if word != "{elf}"), *target.tools)
    )
    if tool:
        raise toolchain.MissingToolError(tool, f"target {target.name}", target.packages)


def script(program: Program, name: str, count: int, traced: bool, painted: bool = False) -> protocol.Script:
    """What a firmware of `count` vectors must print."""
    calls = coded_calls(program)
    rows = []
    for number, call in enumerate(calls, start=1):
        height, width, channels = program.tensors[call.output].shape
        rows += [(number, row, width * channels) for row in range(height)]
    outputs = tuple(program.tensors[port.tensor].size for port in program.outputs)
    return protocol.Script(name, len(calls), count, tuple(rows) if traced else (), outputs, painted)


def run(target: Target, elf: Path, timeout: float = TIMEOUT) -> str:
    """What a program prints in the target's emulator."""
    command = [part.format_map(firmware.placeholders(target, elf)) for part in target.run]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="latin-1",
        start_new_session=True,
        cwd=elf.parent,
    )
    try:
        printed, complaints = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            "the program does not end",
            where=f"target {target.name}, {target.run[0]}",
            why=f"no end after {timeout:g} s",
            hint="a smaller network or fewer samples; if it hangs with these too, please report it",
        ) from error
    finally:
        if process.poll() is None:  # the emulator, and what it may have started
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    if process.returncode:
        last = [*printed.strip().splitlines()[-1:], *complaints.strip().splitlines()[-6:]]
        raise BuildError(
            "the program crashes",
            where=f"target {target.name}, {target.run[0]}",
            why="\n".join([f"exit status {process.returncode}", *last]),
            hint="`eightbit verify` without --target says if the C is right; the memory map or alignment may not be",
        )
    return printed
