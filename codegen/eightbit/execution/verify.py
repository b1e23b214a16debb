# SPDX-License-Identifier: Apache-2.0
"""Compile the C, run it, and compare every byte with the simulator.

Three builds: the files of out/ as they lie there, plain (outputs) and traced (every row of every call), and a
temporary emission of the same kernels and constants in which all tensors have places of their own with guard bytes
between, looked at after every call. Each sample runs twice. Buffers of the caller have guards of their own, and no
input may change.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import machine, ops, simulate
from eightbit.emission import emit
from eightbit.errors import BuildError
from eightbit.execution import toolchain
from eightbit.execution.compare import INPUT_WRITTEN, Difference, VerifyResult, coded_calls, compare, written_order
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning import plan
from eightbit.planning.schedule import schedule
from eightbit.planning.select import Selection, select
from eightbit.target import Target

DEFAULT = Options()
GAP = 16  # guard bytes between tensors in the build with separate places
LEAST_SECONDS = 30.0  # that a chunk of samples may take, and beyond it
SLACK, RATE = 20, 200e6  # so many times the seconds of its work, at MACs a second that the kernels reach on a host
ELEMENT_WORK = 30  # of making one value, in MACs: tables, divisions, windows


@dataclass(frozen=True)
class _Build:
    """One compiled variant of a model: its label, binary, and whether it traces rows."""

    label: str
    binary: Path
    traced: bool


def verify(
    out: Path,
    program: Program,
    target: Target,
    inputs: Mapping[str, Int8],
    cc: str = "gcc",
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
    options: Options = DEFAULT,
) -> VerifyResult:
    """Run the C in folder `out`, made with `options`, on input batches and compare with the simulation of `program`."""
    toolchain.need_host_compiler(cc)
    selection = select(program, target, options.optimize)
    with tempfile.TemporaryDirectory(prefix="eightbit-verify-") as folder:
        builds = _compile_all(Path(folder), options.sources(out), program, selection, cc, cflags, options.io)
        about = {
            "target": target.name,
            "compiler": cc,
            "flags": tuple(cflags),
            "machine": machine.name(builds[0].binary),
        }
        return _compare_all(Path(folder), builds, program, inputs, about)


def _compile_all(
    work: Path, source: Path, program: Program, selection: Selection, cc: str, cflags: Sequence[str], io: str
) -> list[_Build]:
    steps = schedule(program, selection)
    apart_layout = plan.plan_apart(program, selection, steps, GAP, io)
    apart = emit.emit(program, selection, steps, apart_layout)
    apart_folder = work / "apart"
    apart_folder.mkdir()
    own = {f"{apart.name}.c", f"{apart.name}.h"}  # kernels and constants are those of out/, as they lie there
    for name, text in apart.files.items():
        if name in own or not (source / name).exists():
            (apart_folder / name).write_text(text, encoding="utf-8")
        else:
            shutil.copyfile(source / name, apart_folder / name)
    context = emit.model_context(program, selection, steps, apart_layout)
    context["input_total"] = sum(port["size"] for port in context["inputs"])
    gaps = _gaps(apart_layout)
    return [
        _compile(work / "traced", source, context, "", True, cc, cflags),  # first: it names where bits differ
        _compile(work / "plain", source, context, "", False, cc, cflags),
        _compile(work / "separate", apart_folder, context, gaps, True, cc, cflags),
    ]


def _gaps(layout: plan.Layout) -> str:
    """Between the places of the arena: start and length of each, as C."""
    inside = [place for name, place in layout.places.items() if layout.buffer(name) is None]
    places = sorted({(place.offset, place.size) for place in inside})
    starts = [0, *(offset + size for offset, size in places)]
    ends = [*(offset for offset, _ in places), layout.activation_bytes]
    return ", ".join(f"{{ {a}, {b - a} }}" for a, b in zip(starts, ends, strict=True))


def _compile(
    work: Path, source: Path, context: dict[str, Any], gaps: str, traced: bool, cc: str, cflags: Sequence[str]
) -> _Build:
    work.mkdir()
    name = context["name"]
    (work / "verify_main.c").write_text(emit.render("verify_main.c.j2", context | {"gaps": gaps}))
    (work / "verify_trace.h").write_text(emit.render("verify_trace.h.j2", {"trace": traced}))
    # The model sees no folder but its own: a temporary header must not shadow one of out/.
    model, binary = work / "model.o", work / "run"
    hook: tuple[str | Path, ...] = ("-include", work / "verify_trace.h") if traced else ()
    base: tuple[str | Path, ...] = (cc, "-std=c99", *cflags, "-I", source)
    toolchain.run([*base, *toolchain.WARNINGS, *hook, "-c", source / f"{name}.c", "-o", model])
    toolchain.run([*base, "-I", work, work / "verify_main.c", model, "-o", binary])
    return _Build(work.name, binary, traced)


def _compare_all(
    work: Path,
    builds: Sequence[_Build],
    program: Program,
    inputs: Mapping[str, Int8],
    about: Mapping[str, Any],
) -> VerifyResult:
    count = len(next(iter(inputs.values())))
    differing, compared, wrong_argmax, verdicts = 0, 0, 0, set[int]()
    first: Difference | None = None
    breaker: str | None = None
    for start in range(0, count, simulate.CHUNK):
        piece = {name: array[start : start + simulate.CHUNK] for name, array in inputs.items()}
        memory = simulate.memory(program, piece)
        best = np.stack([memory[port.tensor].argmax(axis=1) for port in program.outputs], axis=1)
        (work / "samples.bin").write_bytes(np.concatenate([memory[p.tensor] for p in program.inputs], axis=1).tobytes())
        for build in builds:
            order = written_order(program, build.traced)
            got, outcome = _run(work, build, program, order, memory)
            found = compare(build.label, program, order, memory, got, start)
            differing, compared = differing + found.differing, compared + found.compared
            verdicts, first = verdicts | set(outcome["verdict"].ravel().tolist()), first or found.first
            wrong_argmax += int((outcome["argmax"] != best[:, None, :]).sum())
            breaker = breaker or _named(program, int(outcome["breaker"].max()))
    return VerifyResult(
        count, differing, compared, verdicts <= {1, INPUT_WRITTEN}, first, **about, emulator="",
        differing_argmax=wrong_argmax, guard_broken_by=breaker, inputs_intact=INPUT_WRITTEN not in verdicts,
    )  # fmt: skip


def _named(program: Program, number: int) -> str | None:
    """A call by its number in the C of a folder; None for 0."""
    calls = coded_calls(program)
    if number > len(calls):
        return f"call {number}"
    return calls[number - 1].name if number else None


def _outcome(program: Program) -> np.dtype[np.void]:
    """What the driver says of a run, after what the run made."""
    argmax = ("argmax", "<i4", (len(program.outputs),))
    return np.dtype([("verdict", "u1"), ("breaker", "<u2"), argmax])


def time_limit(program: Program, samples: int) -> float:
    """Seconds after which the C is taken to hang: far more than these samples, run twice, can take."""
    work = ops.total_macs(program) + ELEMENT_WORK * sum(tensor.size for tensor in program.tensors.values())
    return max(LEAST_SECONDS, SLACK * 2 * samples * work / RATE)


def _run(
    work: Path, build: _Build, program: Program, order: Sequence[str], memory: Mapping[str, Int8]
) -> tuple[NDArray[np.int8], NDArray[np.void]]:
    """What the C made, s8 [samples, 2 runs, bytes], and the outcome of each run, [samples, 2 runs]."""
    results, count = work / "results.bin", len(memory[order[0]])
    limit = time_limit(program, count)
    try:
        done = subprocess.run(
            [build.binary, work / "samples.bin", results],
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            "the C does not end",
            where=f"{build.label} build",
            why=f"no end after {limit:.0f} s, {SLACK} times what {count} samples should take or more",
            hint="were files in the folder changed by hand? Compile the model again",
        ) from error
    made, outcome = sum(memory[name].shape[1] for name in order), _outcome(program)
    raw = np.frombuffer(results.read_bytes(), np.int8) if results.exists() else np.empty(0, np.int8)
    if done.returncode or raw.size != count * 2 * (made + outcome.itemsize):
        raise BuildError(
            "the C crashes",
            where=f"{build.label} build",
            why=f"exit status {done.returncode}\n" + "\n".join(done.stderr.strip().splitlines()[:12]),
            hint="--cflags '-O1 -g -fsanitize=address,undefined' says where; or compile the model again",
        )
    shaped = raw.reshape(count, 2, made + outcome.itemsize)
    return shaped[:, :, :made], np.ascontiguousarray(shaped[:, :, made:]).view(outcome)[:, :, 0]
