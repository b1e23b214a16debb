# SPDX-License-Identifier: Apache-2.0
"""What a firmware prints (templates/firmware.c.j2), read back line by line.

Every line is known beforehand but for its bytes, so that a missing, cut or altered line is always found:
`e8 begin MODEL CALLS VECTORS`, then for each vector and run `r V R CALL ROW HEX`, `o V R PORT HEX` and `a V R PORT
ARGMAX`, `g V R INTACT`, and `e8 end CHECKSUM` over all characters before. A firmware that paints its stack says
before its guards how much of it a run used: `s V R BYTES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eightbit.emission import vectors
from eightbit.errors import BuildError
from eightbit.execution.compare import INPUT_WRITTEN

RUNS = 2  # of each vector
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
HEX = re.compile("[0-9a-f]*")
SHOWN = 60  # characters of a wrong line in a message


@dataclass(frozen=True)
class Script:
    """What must be printed. `rows`: call number, row and bytes of each traced row; `outputs`: bytes by port; `stack`:
    whether it is painted."""

    name: str
    calls: int
    vectors: int
    rows: tuple[tuple[int, int, int], ...]
    outputs: tuple[int, ...]
    stack: bool = False

    def begin(self) -> str:
        return f"e8 begin {self.name} {self.calls} {self.vectors}"

    def body(self) -> Iterator[tuple[str, int]]:
        """The head of each line after the first, and how many digits follow in it."""
        for at in (f"{vector} {run}" for vector in range(self.vectors) for run in range(RUNS)):
            for call, row, size in self.rows:
                yield f"r {at} {call} {row}", 2 * size
            for port, size in enumerate(self.outputs):
                yield f"o {at} {port}", 2 * size
                yield f"a {at} {port}", 8
            if self.stack:
                yield f"s {at}", 8
            yield f"g {at}", 1


@dataclass(frozen=True)
class Printed:
    """`made`: bytes of rows and outputs [vectors, runs, bytes]; `argmax`: positions of largest values [vectors, runs,
    ports]; `intact`: whether every status and all guards were as they should be; `inputs_intact`: and every input;
    `stack`: the most that a run used."""

    made: NDArray[np.int8]
    argmax: NDArray[np.uint32]
    intact: bool
    inputs_intact: bool
    stack: int


def parse(text: str, script: Script) -> Printed:
    """What was printed; BuildError where a character is not as it must be."""
    lines, body, words = _from_beginning(text, script), list(script.body()), []
    for (head, digits), line in zip(body, [*lines[1:], *[""] * len(body)], strict=False):
        before, _, word = line.rpartition(" ")
        if before != head or len(word) != digits or not HEX.fullmatch(word):
            raise _wrong("a line is missing, cut or altered", f"{head} ...", line)
        words.append(word)
    _check_end(lines, len(body) + 1)
    kinds = [head[0] for head, _ in body]
    made = "".join(word for kind, word in zip(kinds, words, strict=True) if kind in "ro")
    argmax = [int(word, 16) for kind, word in zip(kinds, words, strict=True) if kind == "a"]
    verdicts = {int(word, 16) for kind, word in zip(kinds, words, strict=True) if kind == "g"}
    return Printed(
        made=np.frombuffer(bytes.fromhex(made), np.int8).reshape(script.vectors, RUNS, -1),
        argmax=np.array(argmax, np.uint32).reshape(script.vectors, RUNS, -1),
        intact=verdicts <= {1, INPUT_WRITTEN},
        inputs_intact=INPUT_WRITTEN not in verdicts,
        stack=max((int(word, 16) for kind, word in zip(kinds, words, strict=True) if kind == "s"), default=0),
    )


def _from_beginning(text: str, script: Script) -> list[str]:
    """The whole lines from the first of the protocol on, without what terminals add."""
    lines = [COLOURS.sub("", line).rstrip("\r") for line in text.split("\n")]
    if script.begin() not in lines:
        raise _wrong("no line says that it began", script.begin(), next(filter(None, reversed(lines)), ""))
    return lines[lines.index(script.begin()) : -1]  # what follows the last line feed is not a whole line


def _check_end(lines: list[str], count: int) -> None:
    """After `count` lines there must be their checksum."""
    said = "".join(f"{line}\n" for line in lines[:count])
    end = f"e8 end {checksum(said):08x}"
    last = lines[count] if len(lines) > count else ""
    if last != end:
        raise _wrong("its checksum is missing or does not fit what it printed", end, last)


def checksum(said: str) -> int:
    """Over characters as `vectors.checksum` is over values."""
    codes = np.frombuffer(said.encode("latin-1", "replace"), np.uint8)
    return vectors.checksum((codes.astype(np.int16) - 128).astype(np.int8))


def _wrong(why: str, expected: str, found: str) -> BuildError:
    shown = found if len(found) <= SHOWN else f"{found[:SHOWN]}... ({len(found)} characters)"
    return BuildError(
        "the emulator's output is cut or altered",
        where="what the program printed",
        why=f"{why}: expected {expected!r}, found {shown!r}"
        if found
        else f"{why}: expected {expected!r}, found its end",
        hint="run it again; if it stays, the start-up code, the memory map or the emulator is at fault",
    )
