# SPDX-License-Identifier: Apache-2.0
"""How long a build takes on this machine, by call: medians of many runs with their spread, and its sizes.

The whole inference is timed in one program, its calls in another whose clock is read after each of them, through the
trace hook: that costs a little, and the compiler may put the calls' code in another order.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import machine, ops, simulate
from eightbit.bench import footprint
from eightbit.bench.footprint import Footprint
from eightbit.emission import emit
from eightbit.errors import BuildError
from eightbit.execution import firmware, toolchain
from eightbit.execution.compare import coded_calls
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning.select import select
from eightbit.target import Target

SECONDS = 1.0  # of one program, unless that would be fewer than LEAST runs or more than MOST
LEAST, MOST = 30, 20000
TRIAL = 5  # runs that tell how many to make
TIMEOUT = 600
DEFAULT = Options()
VERIFY = "`eightbit verify` says where"


@dataclass(frozen=True)
class Time:
    """Microseconds: the median of all runs, and what a tenth of them stay below and above."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class TimedLayer:
    """A call: its kernel, multiply-accumulates and time."""

    call: str
    kernel: str
    macs: int
    microseconds: Time


@dataclass(frozen=True)
class HostResult:
    """Times in microseconds, sizes in bytes. Instructions are not counted here; the stack is the compiler's bound."""

    target: str
    microseconds: Time
    runs: int
    macs: int
    instructions: None
    footprint: Footprint
    layers: tuple[TimedLayer, ...]
    compiler: str
    flags: tuple[str, ...]
    machine: str

    def json(self) -> dict[str, Any]:
        document = asdict(self)
        sizes = document.pop("footprint")
        stack = sizes["stack_bound_bytes"]
        ram = None if stack is None else sizes["context_bytes"] + sizes["static_bytes"] + stack
        return {**document, **sizes, "stack_bytes": stack, "ram_bytes": ram, "emulator": ""}


def bench(
    out: Path,
    program: Program,
    target: Target,
    inputs: Mapping[str, Int8],
    cc: str = "gcc",
    cflags: Sequence[str] = toolchain.DEFAULT_FLAGS,
    options: Options = DEFAULT,
) -> HostResult:
    """Time the C in folder `out`, made with `options`, on the first sample of `inputs`."""
    toolchain.need_host_compiler(cc)
    memory = simulate.memory(program, {key: value[:1] for key, value in inputs.items()})
    calls = coded_calls(program)
    with tempfile.TemporaryDirectory(prefix="eightbit-bench-") as folder:
        work = Path(folder)
        (work / "samples.bin").write_bytes(np.concatenate([memory[p.tensor] for p in program.inputs], axis=1).tobytes())
        context = firmware.model_context(program, target, options)
        source = options.sources(out)
        plain = _compile(work, source, context, (cc, *cflags), marked=False)
        found, _ = footprint.measure(out, source, work / f"{plain.name}.o", plain)
        whole = _times(plain, program, memory, len(calls))
        marked = _times(_compile(work, source, context, (cc, *cflags), marked=True), program, memory, len(calls))
        kind = machine.name(plain)
    kernels = select(program, target, options.optimize).kernels
    layers = [
        TimedLayer(
            call.name, kernels[call.name].symbol, ops.get(call.op).macs(call, program.tensors[call.output].shape), time
        )
        for call, time in zip(calls, map(_time, marked.T[:-1]), strict=True)
    ]
    return HostResult(
        target=target.name,
        microseconds=_time(whole[:, -1]),
        runs=len(whole),
        macs=ops.total_macs(program),
        instructions=None,
        footprint=found,
        layers=tuple(layers),
        compiler=toolchain.version(cc),
        flags=tuple(cflags),
        machine=kind,
    )


def _compile(work: Path, source: Path, context: dict[str, Any], compiler: Sequence[str], *, marked: bool) -> Path:
    """The program, named like the model; `marked`: with a clock between calls."""
    name = str(context["name"])
    model, binary = work / f"{name}.o", work / name
    (work / "bench_main.c").write_text(emit.render("bench_main.c.j2", context), encoding="utf-8")
    (work / "bench_trace.h").write_text(emit.render("bench_trace.h.j2", {}), encoding="utf-8")
    hook = ("-include", work / "bench_trace.h") if marked else ()
    base = (*compiler, "-std=c99", *toolchain.WARNINGS)
    reports = footprint.flags(compiler[0])
    toolchain.run([*base, *reports, "-I", source, *hook, "-c", source / f"{name}.c", "-o", model])
    toolchain.run([*base, "-I", source, work / "bench_main.c", model, "-o", binary])
    return binary


def _times(binary: Path, program: Program, memory: Mapping[str, Int8], calls: int) -> NDArray[np.int64]:
    """Nanoseconds [runs, calls + 1], of each call and of the whole."""
    wanted = np.concatenate([memory[port.tensor][0] for port in program.outputs])
    trial = _run(binary, TRIAL, wanted, calls)
    once = max(float(np.median(trial[:, -1])), 1.0) * 1e-9
    return _run(binary, int(np.clip(SECONDS / once, LEAST, MOST)), wanted, calls)


def _run(binary: Path, runs: int, wanted: NDArray[np.int8], calls: int) -> NDArray[np.int64]:
    results = binary.with_suffix(".bin")
    arguments = (str(binary.parent / "samples.bin"), str(results), str(runs))
    try:
        status = subprocess.run([binary, *arguments], timeout=TIMEOUT, check=False, capture_output=True).returncode
    except subprocess.TimeoutExpired as error:
        why = f"no end after {TIMEOUT} s"
        raise BuildError("the C does not end", where=binary.name, why=why, hint=VERIFY) from error
    raw = results.read_bytes() if results.exists() else b""
    if status or len(raw) != wanted.size + 8 * runs * (calls + 1):
        raise BuildError("the C crashes", where=binary.name, why=f"exit status {status}", hint=VERIFY)
    if raw[: wanted.size] != wanted.tobytes():
        raise BuildError(
            "the C has other bits than the simulator", where=binary.name, why="its outputs differ", hint=VERIFY
        )
    return np.frombuffer(raw[wanted.size :], np.int64).reshape(runs, calls + 1)


def _time(nanoseconds: NDArray[np.int64]) -> Time:
    median, low, high = (round(float(v) / 1000, 3) for v in np.percentile(nanoseconds, (50, 10, 90)))
    return Time(median, low, high)
