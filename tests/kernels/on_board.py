# SPDX-License-Identifier: Apache-2.0
"""Kernels on other processors: cases as constants of a program for a board, what it must print, and how they differ.

board.c runs them and prints memory after each launch. What should lie there is computed here and never compiled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from eightbit import ops
from eightbit.emission import ctext
from eightbit.emission.cstruct import initialiser, struct_name
from eightbit.ir.fixed import Int8
from kernels.driver import Job, kernel_files
from kernels.placement import Launch, View

GUARD = bytes(range(0x50, 0x58))
UNIT = 8  # bytes to which state and scratch are aligned
LINE = 64  # hexadecimal digits


@dataclass(frozen=True)
class Limits:
    """What one program may hold: bytes of constants, of memory for one case, and cases."""

    constants: int = 400_000
    memory: int = 60_000
    cases: int = 400


def fits(job: Job, limits: Limits) -> bool:
    """Whether a program of its own can hold the job."""
    return constant_bytes(job) <= limits.constants and memory_bytes(job) <= limits.memory


def programs(jobs: Iterable[Job], limits: Limits) -> Iterator[list[Job]]:
    """The jobs, each of which fits, in groups that fit a program each."""
    group: list[Job] = []
    filled = 0
    for job in jobs:
        size = constant_bytes(job)
        if group and (filled + size > limits.constants or len(group) == limits.cases):
            yield group
            group, filled = [], 0
        group.append(job)
        filled += size
    if group:
        yield group


def constant_bytes(job: Job) -> int:
    """Buffers, elements, streams, and about as much as the structs around them take."""
    views = [*job.placement.inputs, job.placement.output]
    streams = job.facts.pack(job.case.call).values()
    arrays = sum(x.size for x in job.case.arrays) + sum(stream.nbytes for stream in streams)
    return arrays + sum(len(view.buffer) for view in views) + 8 * len(job.placement.launches) + 200


def memory_bytes(job: Job) -> int:
    """Of the pool in board.c."""
    views = [*job.placement.inputs, job.placement.output]
    aligned = sum(size + UNIT for size in (job.placement.state, job.placement.scratch))
    return sum(len(view.buffer) for view in views) + aligned + len(GUARD) * (len(views) + 3)


def cases_inc(jobs: list[Job]) -> str:
    """The C that board.c includes: kernels, cases, and `run_kernel`."""
    lines = [f'#include "{kernel_files()[kernel]}"' for kernel in sorted({job.kernel for job in jobs})]
    lines += [f"enum {{ CASES = {len(jobs)}, POOL = {max(map(memory_bytes, jobs))} }};"]
    for number, job in enumerate(jobs):
        lines += [*_views(number, job), *_launches(number, job), *_constants(number, job)]
    lines += ["static const board_case E8_ROM cases[] = {", *(_case(n, job) for n, job in enumerate(jobs)), "};"]
    lines += ["static void run_kernel(e8_s16 number, const e8_call *at)", "{", "    switch (number) {"]
    lines += [f"    case {number}: {_call(number, job)}; break;" for number, job in enumerate(jobs)]
    return "\n".join([*lines, "    }", "}", ""])


def _views(number: int, job: Job) -> list[str]:
    lines, rows = [], []
    for i, view in enumerate((*job.placement.inputs, job.placement.output)):
        elements = "0"
        lines.append(ctext.array(f"c{number}_b{i}", np.frombuffer(view.buffer, np.int8)))
        if i < len(job.case.arrays):
            elements = f"c{number}_x{i}"
            lines.append(ctext.array(elements, job.case.arrays[i]))
        places = (len(view.buffer), view.base, view.row, view.pixel, view.plane)
        last = (view.ring, view.shape[1], view.shape[2])
        rows.append(f"{{ c{number}_b{i}, {', '.join(map(str, places))}, {elements}, {', '.join(map(str, last))} }}")
    return [*lines, f"static const board_view E8_ROM c{number}_views[] = {{ {', '.join(rows)} }};"]


def _launches(number: int, job: Job) -> list[str]:
    rows = [f"{{ {one.y}, {one.n}, {one.feeds[0][0]}, {one.feeds[0][1]} }}" for one in job.placement.launches]
    assert all(len(set(one.feeds)) == 1 for one in job.placement.launches), "inputs are fed together"
    return [f"static const board_launch E8_ROM c{number}_launches[] = {{ {', '.join(rows)} }};"]


def _constants(number: int, job: Job) -> list[str]:
    call, kernel = job.case.call, job.facts
    streams = kernel.pack(call)
    lines = [ctext.array(f"c{number}_{role}", stream) for role, stream in streams.items()]
    lines.append(f"static const {struct_name(ops.get(call.op))} E8_ROM c{number}_p = {{ {initialiser(call.params)} }};")
    if kernel.weights_type:
        pointers = ", ".join(f"c{number}_{role}" for role in streams)
        lines.append(f"static const {kernel.weights_type} E8_ROM c{number}_w = {{ {pointers} }};")
    return lines


def _call(number: int, job: Job) -> str:
    streams = list(job.facts.pack(job.case.call))
    weights = f"c{number}_{streams[0]}" if streams else "0"
    return f"{job.facts.symbol}(&c{number}_p, {f'&c{number}_w' if job.facts.weights_type else weights}, at)"


def _case(number: int, job: Job) -> str:
    place = job.placement
    sizes = f"{place.state}, {place.scratch}, {len(place.inputs)}, {len(place.launches)}"
    return f"    {{ c{number}_views, c{number}_launches, {sizes} }},"


def expected(jobs: list[Job]) -> str:
    """What board.c must print."""
    lines: list[str] = []
    for number, job in enumerate(jobs):
        place = job.placement
        result = job.case.expected()
        buffers = [bytearray(view.buffer) for view in (*place.inputs, place.output)]
        for index, launch in enumerate(place.launches):
            _feed(job, launch, buffers)
            _copy(place.output, buffers[-1], result, *launch.collected)
            memory = GUARD + b"".join(bytes(buffer) + GUARD for buffer in buffers) + GUARD + GUARD
            digits = memory.hex()
            wrapped = [digits[at : at + LINE] for at in range(0, len(digits), LINE)]
            lines += [f"{number} {index}", *wrapped, *([""] if len(digits) % LINE == 0 else [])]
    return "\n".join([*lines, "end", ""])


def _feed(job: Job, launch: Launch, buffers: list[bytearray]) -> None:
    views = job.placement.inputs
    for view, buffer, values, rows in zip(views, buffers, job.case.arrays, launch.feeds, strict=False):
        _copy(view, buffer, values, *rows)


def _copy(view: View, buffer: bytearray, values: Int8, first: int, end: int) -> None:
    """Rows [first, end) of values [1, H, W, C] into a buffer, where the view says."""
    for y in range(first, end):
        for x in range(view.shape[1]):
            for c in range(view.shape[2]):
                at = view.base + y % view.ring * view.row + x * view.pixel + c * view.plane
                buffer[at] = int(values[0, y, x, c]) & 0xFF


def difference(jobs: list[Job], printed: str) -> str:
    """Where a board printed something else than it must; empty if nowhere."""
    if printed == expected(jobs):
        return ""
    got, want = printed.splitlines(), expected(jobs).splitlines()
    at = next((i for i, (a, b) in enumerate(zip(got, want, strict=False)) if a != b), min(len(got), len(want)))
    head = next((line for line in reversed(want[: at + 1]) if " " in line), "")
    job = jobs[int(head.split()[0])] if head else None
    shown = got[at] if at < len(got) else "the end"
    wanted = want[at] if at < len(want) else "the end"
    return f"case and launch {head}, line {at}: {shown}, not {wanted}\n{job and job.facts.symbol}\n{job}"
