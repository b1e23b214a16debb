# SPDX-License-Identifier: Apache-2.0
"""Every kernel of every ISA folder on the processors that take it: the cases of test_kernels.py, on emulated boards."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

import wide
from eightbit import machine, ops, resources, target
from eightbit.execution import emulate, firmware
from emulators import emulated, needs_tools
from kernels import on_board
from kernels.driver import NARROW, RUNTIME, Job, kernel_files
from kernels.on_board import Limits
from kernels.test_kernels import draw

HERE = Path(__file__).parent
FOLDERS = sorted({path.parent.name for path in kernel_files()})
PLAIN = ("ref", "lanes", "tiles", "pairs")  # folders of plain C99
PORTABLE = ("ref", "lanes")  # those that run on every target, whether or not it would choose them
PLACES = [(name, isa) for name in emulated() for isa in FOLDERS if isa in (*PORTABLE, *target.load(name).isa)]
CASES, CASES_OF_SMALL = 16, 6  # per kernel
HOST = replace(target.load("x86-64"), machine=machine.name(Path(sys.executable).resolve()))
LEVEL = ("-O2",)


def limits(chip: target.Target) -> Limits:
    """A third of the flash for constants, which lie below 64 KiB on AVR, and half of the RAM for a case."""
    if chip.flash_bytes is None or chip.ram_bytes is None:
        return Limits()
    return Limits(min(chip.flash_bytes, 65536) // 3, chip.ram_bytes // 2)


def largest_sum(job: Job) -> int:
    bound = ops.get(job.case.call.op).accumulator_bound(job.case.call, -128, 127)
    return job.case.inputs[0].size if bound is None else int(bound.max())


def chosen(source: Path, seed: int, within: Limits, count: int) -> list[Job]:
    """Random cases that fit, half of them those whose accumulators grow most."""
    fitting = [job for job in draw(source, seed, 4 * count) if on_board.fits(job, within)]
    fitting.sort(key=largest_sum, reverse=True)
    most, others = fitting[: count // 2], fitting[count // 2 :]
    return [*most, *islice(others, 0, None, max(1, len(others) // (count - len(most))))]


def program(work: Path, chip: target.Target, jobs: list[Job]) -> Path:
    """The program that runs the jobs on the target's board."""
    return built(work, chip, on_board.cases_inc(jobs))


def built(work: Path, chip: target.Target, cases: str, include: Path = RUNTIME / "include") -> Path:
    (work / "cases.inc").write_text(cases)
    narrow = () if chip.wide_multiply else NARROW
    command = (*firmware.compiler(chip, LEVEL), *narrow, "-I", include, "-I", work, "-I", resources.boards())
    main = firmware.compiled(command, HERE / "board.c", work / "main.o")
    return firmware.program_file(work, chip, [main, *firmware.board_objects(work, chip, LEVEL)])


@pytest.mark.parametrize("isa", FOLDERS)
def test_every_folder_of_kernels_is_run_on_some_emulated_target(isa: str) -> None:
    assert [name for name, folder in PLACES if folder == isa]


@pytest.mark.parametrize(("name", "isa"), PLACES, ids=[f"{name}-{isa}" for name, isa in PLACES])
def test_every_kernel_makes_the_bits_of_its_operator_and_touches_no_other_byte(
    name: str, isa: str, seed: int, tmp_path: Path
) -> None:
    needs_tools(name)
    chip = target.load(name)
    within = limits(chip)
    count = CASES if chip.flash_bytes is None else CASES_OF_SMALL
    sources = [path for path in kernel_files() if path.parent.name == isa]
    jobs = [job for source in sources for job in chosen(source, seed, within, count)]
    assert {job.kernel for job in jobs} == {kernel_files().index(source) for source in sources}
    for group in on_board.programs(jobs, within):
        wrong = on_board.difference(group, emulate.run(chip, program(tmp_path, chip, group)))
        assert not wrong, f"{name}, --seed {seed}: {wrong}"


def test_every_kernel_makes_the_bits_of_its_operator_where_the_smallest_type_has_16_bits(
    seed: int, tmp_path: Path
) -> None:
    sources = [path for path in kernel_files() if path.parent.name in PLAIN]
    jobs = [job for source in sources for job in draw(source, seed, CASES)]
    include = wide.headers(tmp_path / "headers")
    for group in on_board.programs(jobs, Limits()):
        (tmp_path / "cases.inc").write_text(on_board.cases_inc(group))
        folders = [f"-I{folder}" for folder in (RUNTIME / "include", tmp_path, resources.boards())]
        main = wide.compiled("gcc", include, HERE / "board.c", tmp_path / "main.o", *folders)
        board = firmware.board_objects(tmp_path, HOST, LEVEL)
        subprocess.run(["gcc", main, *board, "-o", tmp_path / "run"], check=True)
        printed = subprocess.run([tmp_path / "run"], check=True, capture_output=True, text=True).stdout
        assert not on_board.difference(group, printed)


BROKEN = {
    "another rounding": ("conv_s8", "(shifted, mult) + c)", "(shifted, mult) + c - ((e8_s32)1 << (rshift - 1)))"),
    "a shift the other way": ("conv_s8", "(e8_u32)acc << lshift", "(e8_u32)acc >> lshift"),
    "saturation one too early": (
        "conv_s8",
        "return raised > hi ? hi : raised;",
        "return raised > hi - 1 ? hi - 1 : raised;",
    ),
    "a write behind the row": ("add_s8", "c < q.ch;", "c <= q.ch;"),
    "a changed input": ("lut_s8", "to[x * out.pixel + c] =", "((e8_s8 *)from)[0] ^= 1, to[x * out.pixel + c] ="),
}


@pytest.fixture(scope="module")
def some_jobs() -> list[Job]:
    return [job for source in kernel_files() if source.parent.name == "ref" for job in draw(source, 0, 12)]


@pytest.mark.parametrize(("kernel", "old", "new"), BROKEN.values(), ids=BROKEN)
def test_a_broken_kernel_is_named(some_jobs: list[Job], kernel: str, old: str, new: str, tmp_path: Path) -> None:
    jobs = [job for job in some_jobs if job.facts.file == kernel]
    source = kernel_files()[jobs[0].kernel]
    texts = {path.name: path.read_text() for path in (*RUNTIME.glob("include/*.h"), source)}
    assert sum(text.count(old) for text in texts.values()) == 1
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for file, text in texts.items():
        (runtime / file).write_text(text.replace(old, new))
    cases = on_board.cases_inc(jobs).replace(str(source), str(runtime / source.name))
    wrong = on_board.difference(jobs, emulate.run(HOST, built(tmp_path, HOST, cases, include=runtime)))
    assert jobs[0].facts.symbol in wrong


def test_a_cut_or_altered_print_is_no_yes(some_jobs: list[Job], tmp_path: Path) -> None:
    printed = emulate.run(HOST, program(tmp_path, HOST, some_jobs))
    assert not on_board.difference(some_jobs, printed)
    lines = printed.splitlines(keepends=True)
    for text in (printed[:-1], "".join(lines[:-1]), "".join(lines[1:]), "", printed + "more\n"):
        assert on_board.difference(some_jobs, text)
    middle = next(i for i in range(len(printed) // 2, len(printed)) if printed[i] in "0123456789abcdef")
    assert on_board.difference(some_jobs, printed[:middle] + "fe"[printed[middle] == "f"] + printed[middle + 1 :])


def test_what_the_program_must_print_is_not_in_it(some_jobs: list[Job], tmp_path: Path) -> None:
    jobs = [job for job in some_jobs if job.facts.op == "conv" and job.case.output.size >= 16]
    assert jobs
    image = program(tmp_path, HOST, jobs).read_bytes()
    for job in jobs:
        assert job.case.arrays[0].tobytes() in image
        assert len(set(job.case.expected().ravel().tolist())) < 3 or job.case.expected().tobytes() not in image
