# SPDX-License-Identifier: Apache-2.0
"""Runs kernels in a process of their own: driver.c with every kernel found on disk, on random placements."""

from __future__ import annotations

import importlib
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eightbit import ops
from eightbit.emission.cstruct import struct_name
from eightbit.ir.cfields import c_fields
from eightbit.ir.fixed import Int8
from eightbit.kernels.kernel import Kernel
from kernels.cases import Case, Rng
from kernels.placement import Launch, Placement, View, place

RUNTIME = Path(__file__).parents[2] / "runtime_c"
HERE = Path(__file__).parent
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
PROBLEMS = {1: "the kernel changed its input", 2: "the kernel wrote outside the rows it was asked for"}
STRUCT_CODES = {"e8_s16": "h", "e8_s32": "i"}


def kernel_files() -> list[Path]:
    """Every kernel on disk. Each folder is an ISA; this machine must be able to run what it holds."""
    return sorted(RUNTIME.glob("kernels/*/*.c"))


def facts(source: Path) -> Kernel:
    """The twin of a kernel's C file."""
    kernel = importlib.import_module(f"eightbit.kernels.{source.parent.name}.{source.stem}").KERNEL
    assert isinstance(kernel, Kernel)
    return kernel


def all_kernels_text() -> str:
    """C that includes every kernel, and `run_kernel` to call one by its place in `kernel_files()`."""
    sources = kernel_files()
    lines = [f'#include "{source}"' for source in sources]
    lines += ["static void run_kernel(int kernel, const void *p, const void *w, const e8_call *at)", "{"]
    lines.append("    switch (kernel) {")
    for index, source in enumerate(sources):
        kernel = facts(source)
        params = struct_name(ops.get(kernel.op))
        lines.append(f"    case {index}: {kernel.symbol}((const {params} *)p, w, at); break;")
    return "\n".join([*lines, "    }", "}", ""])


NARROW = ("-include", str(RUNTIME / "include" / "narrow" / "e8_mulhi.h"))  # the arithmetic of narrow multiplications


def build(folder: Path, compiler: str, *flags: str) -> Path:
    """The driver, compiled with all kernels in one translation unit."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernels.inc").write_text(all_kernels_text())
    program = folder / "driver"
    command = [compiler, "-std=c99", *WARNINGS, *flags, f"-I{folder}", f"-I{RUNTIME / 'include'}"]
    subprocess.run([*command, str(HERE / "driver.c"), "-o", str(program)], check=True)
    return program


@dataclass(frozen=True)
class Job:
    """A case, the kernel that shall run it, and where everything lies."""

    kernel: int
    facts: Kernel
    case: Case
    placement: Placement

    def packed(self) -> bytes:
        """What driver.c reads, in its order."""
        call = self.case.call
        streams = list(self.facts.pack(call).values())
        parts = [_words(self.kernel), _block(params_bytes(call.params))]
        parts.append(_words(int(self.facts.weights_type != ""), len(streams)))
        parts += [_block(np.ascontiguousarray(stream).tobytes()) for stream in streams]
        parts.append(_words(len(self.case.inputs)))
        for view, array in zip(self.placement.inputs, self.case.arrays, strict=True):
            parts += [_view(view), _block(array.tobytes())]
        parts += [_view(self.placement.output), _block(bytes(self.placement.scratch))]
        parts += [_block(bytes(self.placement.state)), _words(len(self.placement.launches))]
        parts += [_launch(launch) for launch in self.placement.launches]
        return b"".join(parts)


def job(source: Path, case: Case, rng: Rng) -> Job:
    kernel = facts(source)
    return Job(kernel_files().index(source), kernel, case, place(kernel, case, rng))


def run(program: Path, jobs: list[Job]) -> list[tuple[int, Int8]]:
    """(status, output array [1, H, W, C]) of each job; AssertionError with the driver's words if it stops early."""
    packed = _words(len(jobs)) + b"".join(job.packed() for job in jobs)
    done = subprocess.run([str(program)], input=packed, capture_output=True, check=False, timeout=300)
    results, position = [], 0
    for item in jobs:
        height, width, channels = item.case.output.shape
        end = position + 8 + height * width * channels
        if end > len(done.stdout):
            break
        (status,) = struct.unpack_from("=q", done.stdout, position)
        array = np.frombuffer(done.stdout[position + 8 : end], np.int8)
        results.append((status, array.reshape(1, height, width, channels)))
        position = end
    if done.returncode or len(results) < len(jobs):
        raise AssertionError(
            f"the driver stopped with status {done.returncode} in job {len(results)}: "
            f"{jobs[min(len(results), len(jobs) - 1)]}\n{done.stderr.decode(errors='replace')}"
        )
    return results


def params_bytes(params: object) -> bytes:
    """The C struct of Params, laid out as this machine's compilers do."""
    codes, numbers = "", []
    for name, ctype, length in c_fields(type(params)):
        value = getattr(params, name)
        codes += f"{length or 1}{STRUCT_CODES[ctype]}"
        numbers += value if length else [value]
    padding = "0i" if "i" in codes else ""  # a struct ends where the next one in an array may begin
    return struct.pack(f"@{codes}{padding}", *numbers)


def _words(*numbers: int) -> bytes:
    return struct.pack(f"={len(numbers)}q", *numbers)


def _block(data: bytes) -> bytes:
    return _words(len(data)) + data


def _view(view: View) -> bytes:
    return _block(view.buffer) + _words(view.base, view.row, view.pixel, view.plane, view.ring, *view.shape)


def _launch(launch: Launch) -> bytes:
    feeds = [end for pair in launch.feeds for end in pair]
    return _words(launch.y, launch.n, *feeds, *launch.collected)
