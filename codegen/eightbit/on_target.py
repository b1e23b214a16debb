# SPDX-License-Identifier: Apache-2.0
"""Verify or measure a build on targets that it may not have been made for: emitted for them, built, emulated."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from eightbit import build as builds
from eightbit import machine, pipeline, target
from eightbit.bench import emulated, host
from eightbit.bench.emulated import BenchResult
from eightbit.bench.host import HostResult
from eightbit.emission import vectors
from eightbit.errors import BudgetError, BuildError, InputError
from eightbit.execution import emulate, toolchain, verify
from eightbit.execution.board_log import LogResult
from eightbit.execution.compare import VerifyResult
from eightbit.frontend import samples
from eightbit.ir.program import Program
from eightbit.options import Options


@dataclass(frozen=True)
class Row:
    """What one of all targets said. `status`: same, differs, fails, too small, no tools, or not run.

    `packages`: the Debian packages of tools that are missing.
    """

    target: str
    status: str
    machine: str
    compared_bytes: int
    differing_bytes: int
    why: str
    packages: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """A network that does not fit, and a tool that is not there, are no answer to whether the bits are the same."""
        return self.status not in {"differs", "fails"}


def verify_on(
    out: str | Path,
    target_name: str,
    x: samples.Source | None,
    traced: bool = False,
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
) -> VerifyResult:
    """Run the program of folder `out` on a target; where it is the one it was built for, its files as they lie there.

    Without samples, on as many seeded vectors as the self-test has.
    """
    chosen = _runnable(target_name)
    program, options = builds.open_folder(out)
    inputs = builds.batch(program, x, vectors.COUNT)
    with _folder_for(Path(out), program, options, chosen) as folder:
        if chosen.emulated:
            return emulate.verify(folder, program, chosen, inputs, traced, cflags, options=options)
        return verify.verify(folder, program, chosen, inputs, "gcc", cflags, options)


def selftest_on(out: str | Path, target_name: str) -> LogResult:
    """Run the self-test of folder `out` on an emulated target and read what it prints as a board's log."""
    chosen = _runnable(target_name)
    program, options = builds.open_folder(out)
    with _folder_for(Path(out), program, options, chosen) as folder:
        return emulate.selftest(folder, program, chosen, options=options)


def bench_on(
    out: str | Path,
    target_name: str,
    x: samples.Source | None = None,
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
) -> BenchResult:
    """Measure the program of folder `out` on an emulated target, on the first sample or on noise."""
    chosen = _runnable(target_name)
    if not chosen.emulated or chosen.machine == machine.WASM:
        raise InputError(
            f"programs for {chosen.name} cannot be measured",
            where="--target",
            why="sizes and instructions are read from ELF files" if chosen.emulated else "it is no one processor",
            hint="leave out --target to time the build on this machine",
        )
    program, options = builds.open_folder(out)
    with _folder_for(Path(out), program, options, chosen) as folder:
        return emulated.bench(folder, program, chosen, builds.batch(program, x, 1), cflags, options)


def bench_on_host(
    out: str | Path,
    x: samples.Source | None = None,
    cc: str = "gcc",
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
) -> HostResult:
    """Time folder `out` on this machine as it lies there, on the first sample or on noise."""
    program, options = builds.open_folder(out)
    chosen = target.load(options.target)
    return host.bench(Path(out), program, chosen, builds.batch(program, x, 1), cc, cflags, options)


def _runnable(name: str) -> target.Target:
    chosen = target.load(name)
    if not chosen.runs:
        raise InputError(
            f"programs for {chosen.name} cannot be run here",
            where="--target",
            why="no emulator is known for it: it is portable by construction only",
            hint="leave out --target to run on this machine, or read a log of the board's self-test with --log",
        )
    return chosen


@contextmanager
def _folder_for(out: Path, program: Program, options: Options, chosen: target.Target) -> Iterator[Path]:
    """`out` itself, where it was built for the target, else its program emitted for it into a temporary folder."""
    if options.target == chosen.name:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="eightbit-target-") as temporary:
        made = pipeline.back_end(program, None, (), replace(options, target=chosen.name), pipeline.ignore)
        yield made.write(Path(temporary) / "out")


def verify_all(
    out: str | Path, x: samples.Source | None, traced: bool, cflags: Sequence[str], names: Sequence[str] = ()
) -> Iterator[Row]:
    """`verify_on` for every target, or those named, one row each."""
    for name in names or target.names():
        chosen = target.load(name)
        if not chosen.runs:
            yield _unanswered(chosen, "not run", "no emulator: portable by construction only")
            continue
        try:
            yield _row(verify_on(out, name, x, traced, cflags))
        except BudgetError as error:
            yield _unanswered(chosen, "too small", error.why)
        except BuildError as error:
            yield _unanswered(chosen, "fails", f"{error.what}: {error.why}")
        except toolchain.MissingToolError as error:
            yield _unanswered(chosen, "no tools", f"{error.tool} is missing", error.packages)


def _unanswered(chosen: target.Target, status: str, why: str, packages: tuple[str, ...] = ()) -> Row:
    return Row(chosen.name, status, chosen.machine, 0, 0, why, packages)


def _row(result: VerifyResult) -> Row:
    first, why = result.first_difference, "" if result.guards_intact else "guard bytes changed; "
    why += "" if result.inputs_intact else "an input was written; "
    if result.differing_argmax:
        why += f"{result.differing_argmax} positions of largest values; "
    if first is not None:
        why += f"sample {first.sample}, {first.call} row {first.row} element {first.element}: "
        why += f"expected {first.expected}, got {first.got}"
    status = "same" if result.ok else "differs"
    return Row(result.target, status, result.machine, result.compared_bytes, result.differing_bytes, why)
