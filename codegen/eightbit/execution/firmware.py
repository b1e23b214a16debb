# SPDX-License-Identifier: Apache-2.0
"""A build's C, its vectors and a board's start-up code become a program for an emulator."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eightbit import machine, resources
from eightbit.emission import ctext, emit, vectors
from eightbit.errors import BudgetError, BuildError
from eightbit.execution import toolchain
from eightbit.execution.compare import coded_calls
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning import plan
from eightbit.planning.schedule import schedule
from eightbit.planning.select import select
from eightbit.target import Target

OVERFLOW = re.compile(r"region [`'](\w+)'(?: |: )overflowed by (\d+) bytes")
OUTSIDE = re.compile(r"address 0x([0-9a-f]+) of .* is not within region `data'")  # in the words of AVR's linker


@dataclass(frozen=True)
class Kit:
    """All that a program is linked of but its main file. `context`: what templates need to know of the model."""

    work: Path
    target: Target
    context: dict[str, Any]
    objects: tuple[Path, ...]
    compiler: tuple[str | Path, ...]  # of files that see the model's folder and the board's header


def prepare(
    work: Path,
    source: Path,
    program: Program,
    target: Target,
    cflags: Sequence[str],
    traced: bool,
    options: Options,
    reports: Sequence[str] = (),
) -> Kit:
    """Compile the model in folder `source` and the board's files; `traced`: every row is printed too.

    `reports`: flags that let the compiler tell more of the model and change nothing of its code.
    """
    (work / "verify_trace.h").write_text(emit.render("verify_trace.h.j2", {"trace": traced}), encoding="utf-8")
    hook = ("-include", work / "verify_trace.h") if traced else ()
    return _kit(work, source, model_context(program, target, options), target, cflags, (*hook, *reports))


def _kit(
    work: Path,
    source: Path,
    context: dict[str, Any],
    target: Target,
    cflags: Sequence[str],
    hook: tuple[str | Path, ...],
) -> Kit:
    base = compiler(target, cflags)
    name = context["name"]
    # The model sees no folder but its own: a temporary header must not shadow one of out/.
    model = compiled((*base, "-I", source, *hook), source / f"{name}.c", work / f"{name}.o")
    objects = (model, *board_objects(work, target, cflags))
    return Kit(work, target, context, objects, (*base, "-I", source, "-I", work, "-I", resources.boards()))


def compiler(target: Target, cflags: Sequence[str]) -> tuple[str | Path, ...]:
    """The target's compiler with all flags but folders."""
    return (target.cc, *target.cflags, f"-std={target.std}", *toolchain.WARNINGS, *cflags)


def compiled(command: tuple[str | Path, ...], source: Path, into: Path) -> Path:
    """One object file."""
    toolchain.run([*command, "-c", source, "-o", into])
    return into


def board_objects(work: Path, target: Target, cflags: Sequence[str]) -> list[Path]:
    """The board's start-up code and what else lies in its folder."""
    boards = resources.boards()
    sources = sorted(path for path in (boards / target.board).iterdir() if path.suffix in {".c", ".s", ".S"})
    command = (*compiler(target, cflags), "-I", boards)
    return [compiled(command, path, work / f"board_{path.name}.o") for path in sources]


def model_context(program: Program, target: Target, options: Options) -> dict[str, Any]:
    """The names of the model's functions do not depend on where its tensors lie."""
    selection = select(program, target, options.optimize)
    steps = schedule(program, selection)
    context = emit.model_context(program, selection, steps, plan.plan_apart(program, selection, steps, 0, options.io))
    total = sum(port["size"] for port in context["inputs"])
    hashes = {"hash_start": vectors.HASH_START, "hash_step": vectors.HASH_STEP}
    return context | hashes | {"input_total": total, "call_count": len(coded_calls(program))}


def link(kit: Kit, values: Int8, painted: int = 0) -> Path:
    """The program that runs the vectors `values` [n, bytes] and says which of `painted` bytes of stack a run used."""
    (kit.work / "vectors.inc").write_text(ctext.array("vectors", values) + "\n", encoding="utf-8")
    main = _main(kit, "firmware.c.j2", {"vectors": len(values), "painted": painted})
    return program_file(kit.work, kit.target, [main, *kit.objects])


def selftest(
    work: Path, source: Path, program: Program, target: Target, cflags: Sequence[str], options: Options
) -> Path:
    """The program that runs the self-test of a build, as a user's firmware would."""
    context = model_context(program, target, options)
    name = context["name"]
    define = f"-D{name.upper()}_SELFTEST"
    kit = _kit(work, source, context, target, cflags, (define,))
    test = compiled((*kit.compiler, define), source / f"{name}_selftest.c", work / "selftest.o")
    return program_file(work, target, [_main(kit, "firmware_selftest.c.j2", {}), test, *kit.objects])


def _main(kit: Kit, template: str, more: dict[str, Any]) -> Path:
    source = kit.work / "firmware.c"
    source.write_text(emit.render(template, kit.context | more), encoding="utf-8")
    return compiled(kit.compiler, source, kit.work / "firmware.o")


def program_file(work: Path, target: Target, objects: Sequence[Path]) -> Path:
    """Objects linked, the board's among them; the file itself must name the target's machine."""
    elf = work / "firmware.elf"
    flags = [flag.format_map(placeholders(target, elf)) for flag in target.ldflags]
    _link_script(target, work)
    linker = [target.ld] if target.ld else [target.cc, *target.cflags]
    elf.unlink(missing_ok=True)
    try:
        toolchain.run([*linker, *objects, *flags, "-o", elf])
    except BuildError as error:
        raise fitting(error, target) from error
    found = machine.name(elf)
    if found != target.machine:
        raise BuildError(
            "the program is for another machine",
            where=f"target {target.name}",
            why=f"its header names {found or 'none'}, the target {target.machine}",
            hint="the target's compiler and flags must fit its machine",
        )
    return elf


def placeholders(target: Target, elf: Path) -> dict[str, str]:
    """What stands for what in `ldflags` and `run` of a target."""
    board = resources.boards() / target.board
    return {"elf": str(elf), "board": str(board), "link": str(elf.parent / "link.ld")}


def _link_script(target: Target, work: Path) -> None:
    template = resources.boards() / target.board / "link.ld.j2"
    if not template.exists():
        return
    rom, ram = target.board_rom or (0, 0), target.board_ram or (0, 0)
    memories = {"rom_origin": rom[0], "rom_bytes": rom[1], "ram_origin": ram[0], "ram_bytes": ram[1]}
    text = emit.environment().from_string(template.read_text(encoding="utf-8")).render(memories)
    (work / "link.ld").write_text(text, encoding="utf-8")


def fitting(error: BuildError, target: Target) -> BuildError | BudgetError:
    """A linker that ran out of memory says by how much."""
    sizes = {"ROM": ("flash", target.board_rom), "RAM": ("RAM", target.board_ram)}
    found = [(int(size), region) for region, size in OVERFLOW.findall(error.why) if region in sizes]
    found += [(int(address, 16) - sum(target.board_ram), "RAM") for address in OUTSIDE.findall(error.why)]
    if not found:
        return error
    over, region = max(found)
    memory, (_, available) = sizes[region]
    note = ", stack and guards included" if region == "RAM" else ", code and vectors included"
    return BudgetError(target.name, memory, available + over, available, note=note)
