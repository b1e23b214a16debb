# SPDX-License-Identifier: Apache-2.0
"""Options of all tests, and what may be left out.

With EIGHTBIT_MODELS set nothing may be for want of a real network: a skipped test is then a failure. A target whose
tools are missing is left out and listed, unless EIGHTBIT_TARGETS=all.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest

import emulators
import real


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite committed files that a test compares")
    parser.addoption("--seed", type=int, default=0, help="seed of the random cases (default 0)")


def pytest_configure(config: pytest.Config) -> None:
    folder = real.folder()
    if folder is not None and not (folder / "samples.py").is_file():
        raise pytest.UsageError(f"{real.VARIABLE} names {folder}, which does not hold the real networks")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and real.folder() is not None and not emulators.left_out(report):
        report.outcome = "failed"
        report.longrepr = f"left out although {real.VARIABLE} is set: {report.longrepr}"
    return report


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--seed"))
