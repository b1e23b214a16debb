# SPDX-License-Identifier: Apache-2.0
"""What a board printed in its self-test, compared with the simulator: which call went wrong first.

A log is what a terminal saved: line ends of any kind, time stamps before a line, other messages between, several
starts (the last counts), lines that were lost.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eightbit.emission import selftest
from eightbit.errors import InputError, reason
from eightbit.execution.compare import coded_calls
from eightbit.execution.protocol import COLOURS
from eightbit.ir.program import Program
from eightbit.names import model_identifier

Place = tuple[int, int]  # vector, from 0, and call, from 1

# The lines of templates/selftest.c.j2 after the model's name.
BEGIN = r"begin golden (?P<golden>[0-9a-f]{8})"
CALL = r"vector (?P<vector>\d{1,5}) call (?P<call>\d{1,5}) (?P<sum>[0-9a-f]{8}) (?:ok|WRONG)"
END = r"hash (?P<total>[0-9a-f]{8}) (?:PASS|FAIL)"


@dataclass(frozen=True)
class LogDifference:
    """The first call in the order of the run whose checksum is not the simulator's."""

    vector: int
    number: int
    call: str
    origin: tuple[str, ...]
    expected: str
    got: str


@dataclass(frozen=True)
class LogResult:
    """`calls` of `calls_expected` checksums were in the log, `differing_calls` of them are wrong.

    `cut`: what the log lacks, "" where it is complete. `other_build`: it says that another build made it. `golden`: the
    hash over all checksums that is the same on every processor.
    """

    calls: int
    calls_expected: int
    differing_calls: int
    first_difference: LogDifference | None
    cut: str
    other_build: bool
    golden: str

    @property
    def ok(self) -> bool:
        return not (self.differing_calls or self.cut or self.other_build)

    @property
    def verdict(self) -> str:
        """One sentence, the gravest finding first."""
        first = self.first_difference
        if self.other_build:
            return "the log is of another build: compile, flash and run the self-test again"
        if first is not None:
            return f"the bits differ first in vector {first.vector}, call {first.number} ({first.call})"
        return f"the log is cut: {self.cut}" if self.cut else "the same bits"

    def json(self) -> dict[str, Any]:
        document = asdict(self)
        if self.first_difference is None:
            del document["first_difference"]
        return document


@dataclass(frozen=True)
class _Log:
    """The lines of a self-test that were found in a text; hashes are "" where their lines were not."""

    golden: str
    sums: dict[Place, str]
    total: str


def verify_log(path: Path, program: Program) -> LogResult:
    """Compare a saved log with the simulation of the self-test's vectors."""
    return compare_log(_text(path), program, str(path))


def compare_log(text: str, program: Program, where: str) -> LogResult:
    """Compare what a board printed; `where` it did, for messages."""
    name = model_identifier(program.name)
    log = _read(text, name)
    if not (log.golden or log.sums or log.total):
        raise InputError(
            f"the log holds no line of the self-test of {name}",
            where=where,
            why=f"no line with `{name} begin`, `{name} vector ...` or `{name} hash`",
            hint=f"build {name}.c and {name}_selftest.c with -D{name.upper()}_SELFTEST, call {name}_selftest() "
            "with your own function that sends a character, and save what it sends",
        )
    expected = selftest.checksums(program)
    golden = f"{selftest.golden_hash(expected):08x}"
    wanted = {(v, c): f"{value:08x}" for v, row in enumerate(expected) for c, value in enumerate(row, start=1)}
    wrong = [place for place, value in wanted.items() if log.sums.get(place, value) != value]
    return LogResult(
        calls=len(wanted.keys() & log.sums.keys()),
        calls_expected=len(wanted),
        differing_calls=len(wrong),
        first_difference=_difference(program, wrong[0], wanted, log) if wrong else None,
        cut=_cut(log, wanted, golden if not wrong else ""),
        other_build=log.golden not in {"", golden} or not log.sums.keys() <= wanted.keys(),
        golden=golden,
    )


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            "cannot read the log", where=str(path), why=reason(error), hint="give the file that a terminal saved"
        ) from error
    utf16 = data[:2] in {b"\xff\xfe", b"\xfe\xff"}  # as PowerShell saves it
    return data.decode("utf-16" if utf16 else "latin-1", "replace")


def _read(text: str, name: str) -> _Log:
    """The last run in the log; a line that is not whole is none."""
    line = re.compile(rf"(?<!\w){name} (?:{BEGIN}|{CALL}|{END})(?!\w)", re.ASCII)
    found = _Log("", {}, "")
    for match in line.finditer(COLOURS.sub("", text)):
        if match["golden"]:
            found = _Log(match["golden"], {}, "")
        elif match["total"]:
            found = _Log(found.golden, found.sums, match["total"])
        else:
            found.sums[int(match["vector"]), int(match["call"])] = match["sum"]
    return found


def _difference(program: Program, place: Place, wanted: dict[Place, str], log: _Log) -> LogDifference:
    vector, number = place
    call = coded_calls(program)[number - 1]
    return LogDifference(vector, number, call.name, call.origin, wanted[place], log.sums[place])


def _cut(log: _Log, wanted: dict[Place, str], golden: str) -> str:
    """What is missing. `golden`: what the last line must say, where all other lines are right."""
    missing = [place for place in wanted if place not in log.sums]
    if missing:
        vector, number = missing[0]
        return f"{len(missing)} of {len(wanted)} calls are missing, the first is vector {vector}, call {number}"
    if not log.golden:
        return "its first line is missing"
    if not log.total:
        return "its last line is missing"
    return "" if golden in {"", log.total} else "its last line does not fit the lines before"
