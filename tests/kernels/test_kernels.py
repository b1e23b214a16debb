# SPDX-License-Identifier: Apache-2.0
"""Every kernel on disk against the NumPy definition of its operator: same bits, wherever rows lie."""

from __future__ import annotations

import importlib
import zlib
from pathlib import Path

import numpy as np
import pytest

from eightbit.ir.fixed import Int8
from kernels.cases import Case
from kernels.driver import PROBLEMS, Job, build, facts, job, kernel_files, run

CASES = 500
KERNELS = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in kernel_files()]


@pytest.fixture(scope="session")
def optimised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("gcc"), "gcc", "-O2")


@pytest.fixture(scope="session")
def sanitised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    return build(tmp_path_factory.mktemp("clang"), "clang", "-O1", "-g", *sanitizers)


def draw(source: Path, seed: int, accepted_by_the_kernel: int = CASES) -> list[Job]:
    """Cases of the kernel's operator that the kernel takes, each from a seed of its own."""
    jobs: list[Job] = []
    case_of = importlib.import_module(f"ops.test_{facts(source).op}").case
    for index in range(20 * accepted_by_the_kernel):
        if len(jobs) == accepted_by_the_kernel:
            return jobs
        rng = np.random.default_rng([seed, zlib.crc32(source.stem.encode()), index])
        case: Case = case_of(rng)
        assert case.findings() == [], f"seed {seed} case {index}: {case.findings()}"
        if not facts(source).refusal(case.call, case.inputs):
            jobs.append(job(source, case, rng))
    raise AssertionError(f"{source.stem} refuses nearly every case")


def difference(job_: Job, status: int, got: Int8) -> str:
    """What is wrong with a result; empty if it is right."""
    problems = [text for bit, text in PROBLEMS.items() if status & bit]
    expected = job_.case.expected()
    if not np.array_equal(got, expected):
        where = np.argwhere(got != expected)
        first = tuple(int(i) for i in where[0])
        problems.append(f"{len(where)} bytes differ, first at {first}: {got[first]}, not {expected[first]}")
    return "; ".join(problems)


def compare(program: Path, source: Path, seed: int) -> None:
    jobs = draw(source, seed)
    for index, (item, (status, got)) in enumerate(zip(jobs, run(program, jobs), strict=True)):
        wrong = difference(item, status, got)
        assert not wrong, f"{source.stem}, --seed {seed}, case {index}: {wrong}\n{item.case.call.params}\n{item}"


@pytest.mark.parametrize("source", KERNELS)
def test_a_kernel_makes_the_bits_of_its_operator_wherever_rows_lie(source: Path, optimised: Path, seed: int) -> None:
    compare(optimised, source, seed)


@pytest.mark.parametrize("source", KERNELS)
def test_a_kernel_touches_no_byte_that_is_not_its_own(source: Path, sanitised: Path, seed: int) -> None:
    compare(sanitised, source, seed + 1)
