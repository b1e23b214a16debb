# SPDX-License-Identifier: Apache-2.0
"""Bytes of flash and RAM that a compiled model takes: from its object file, the linked program, the build's report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eightbit.bench import elf, stack_usage
from eightbit.errors import InputError, reason

# Clang makes other code more often where it keeps track of variables, too; GCC without (-g1) loses inlined code.
LINES = {"clang": ("-gline-tables-only",), "gcc": ("-gdwarf-4",)}


@dataclass(frozen=True)
class Footprint:
    """`functions`: code by function, with those that were merged into another counted for themselves; `library`: of
    the compiler's own that the model calls. `context_bytes`: arena, state and what rounds them up; `io_bytes`: buffers
    of the caller. `stack_bound_bytes`: by the compiler's word, without the library; None where it has none.
    """

    code_bytes: int
    weight_bytes: int
    flash_bytes: int
    arena_bytes: int
    context_bytes: int
    io_bytes: int
    static_bytes: int
    stack_bound_bytes: int | None
    functions: Mapping[str, int]
    library: Mapping[str, int]


def flags(compiler: str) -> tuple[str, ...]:
    """What the model must be compiled with: source lines of its code, which should change nothing of it."""
    kind = "clang" if "clang" in compiler else "gcc"
    return (*LINES[kind], *stack_usage.flags(compiler))


def measure(out: Path, source: Path, model: Path, program: Path) -> tuple[Footprint, elf.RunCode]:
    """Of the object file `model` (`<name>.o`) of the build in `out`, whose C is in `source`, linked into `program`."""
    own, others = elf.functions(model, program)
    run = f"{model.stem}_run"
    code = elf.run_code(program, source / f"{model.stem}.c", next(f for f in own if f.name == run))
    functions: dict[str, int] = dict(code.inlined)
    for function in own:
        merged = sum(code.inlined.values()) if function.name == run else 0
        functions[function.name] = functions.get(function.name, 0) + function.size - merged
    library = {function.name: function.size for function in others}
    sizes, report = elf.sections(model), _report(out)
    code_bytes = sum(functions.values()) + sum(library.values())
    found = Footprint(
        code_bytes=code_bytes,
        weight_bytes=sizes.constants,
        flash_bytes=code_bytes + sizes.constants,
        arena_bytes=report["arena_bytes"],
        context_bytes=report["context_bytes"],
        io_bytes=report["io_bytes"],
        static_bytes=sizes.static,
        stack_bound_bytes=stack_usage.bound(model.with_suffix(".ci"), run),
        functions=dict(sorted(functions.items(), key=lambda item: -item[1])),
        library=library,
    )
    return found, code


def _report(out: Path) -> dict[str, int]:
    try:
        document = json.loads((out / "report.json").read_text(encoding="utf-8"))
        return {key: int(document[key]) for key in ("arena_bytes", "context_bytes", "io_bytes")}
    except Exception as error:  # JSON that is no report fails in many ways
        raise InputError(
            "cannot read the report of the build",
            where=str(out / "report.json"),
            why=reason(error),
            hint="compile the model again",
        ) from error
