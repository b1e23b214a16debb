# SPDX-License-Identifier: Apache-2.0
"""What a build made beside what the simulator says: differing bytes counted, the first one named by call and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Call, Program

INPUT_WRITTEN = 3  # what a driver says of a run; 1: all is well, 0: a guard is broken, or the status is not OK


@dataclass(frozen=True)
class Difference:
    """The first place where C and simulator differ. `element` counts within the row, in memory order."""

    build: str
    sample: int
    call: str
    row: int
    element: int
    expected: int
    got: int


@dataclass(frozen=True)
class VerifyResult:
    """What verify found. `differing_bytes` counts outputs and traced rows of all builds and both runs.

    `differing_argmax` counts the positions of largest outputs that the C gives otherwise; `guard_broken_by` is the
    first call after which a guard byte was not what it had been, told by traced runs on the host. `inputs_intact`: no
    run wrote an input that is a buffer of the caller.
    `machine` is what the headers of the programs that ran name, `emulator` the program that ran them ("" where the
    host itself did).
    """

    samples: int
    differing_bytes: int
    compared_bytes: int
    guards_intact: bool
    first_difference: Difference | None
    target: str
    compiler: str
    flags: tuple[str, ...]
    machine: str
    emulator: str
    differing_argmax: int = 0
    guard_broken_by: str | None = None
    inputs_intact: bool = True

    @property
    def ok(self) -> bool:
        return self.differing_bytes == self.differing_argmax == 0 and self.guards_intact and self.inputs_intact

    def json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Found:
    """The comparison of one batch."""

    differing: int
    compared: int
    first: Difference | None


def coded_calls(program: Program) -> list[Call]:
    """The calls that run code, in order: call number n of a trace is entry n - 1."""
    return [call for call in program.calls if ops.get(call.op).has_code]


def written_order(program: Program, traced: bool) -> list[str]:
    """The tensors that one run shows: rows of each call in order, if they are traced, then the outputs."""
    rows = [call.output for call in coded_calls(program)] if traced else []
    return [*rows, *(port.tensor for port in program.outputs)]


def compare(
    build: str, program: Program, order: Sequence[str], memory: Mapping[str, Int8], got: NDArray[np.int8], start: int
) -> Found:
    """`got` [samples, runs, bytes] beside the simulated `memory` of a batch whose first sample has number `start`."""
    want = np.concatenate([memory[name] for name in order], axis=1)[:, None, :]
    wrong = got != want
    first = _first(build, program, order, got, want, wrong, start) if wrong.any() else None
    return Found(int(wrong.sum()), wrong.size, first)


def _first(
    build: str,
    program: Program,
    order: Sequence[str],
    got: NDArray[np.int8],
    want: NDArray[np.int8],
    wrong: NDArray[np.bool_],
    start: int,
) -> Difference:
    """Name the first difference of the first differing sample, in the order in which rows are made."""
    sample, run, position = (int(i) for i in np.argwhere(wrong)[0])
    expected, found = int(want[sample, 0, position]), int(got[sample, run, position])
    for name in order:
        tensor = program.tensors[name]
        if position < tensor.size:
            break
        position -= tensor.size
    row_size = tensor.size // tensor.shape[0]
    producer = program.producer(name)
    call = producer.name if producer is not None else name
    return Difference(build, start + sample, call, position // row_size, position % row_size, expected, found)
