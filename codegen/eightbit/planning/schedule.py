# SPDX-License-Identifier: Apache-2.0
"""In which steps the calls run: for now layer by layer, each call all its rows at once."""

from __future__ import annotations

from dataclasses import dataclass

from eightbit import ops
from eightbit.ir.program import Program
from eightbit.planning.select import Selection


@dataclass(frozen=True)
class Step:
    """One launch: `rows` output rows of a call (input rows, where the call reduces), from row 0."""

    call: str
    rows: int


@dataclass(frozen=True)
class Schedule:
    """The launches of one run, in order."""

    steps: tuple[Step, ...]

    def text(self) -> str:
        return "".join(f"{step.call}: rows 0 .. {step.rows - 1}\n" for step in self.steps)


def schedule(program: Program, selection: Selection) -> Schedule:
    """Layer by layer."""
    steps = []
    for call in program.calls:
        if call.name in selection.kernels:
            reduces = ops.get(call.op).rows(call).reduces
            rows_of = call.inputs[0] if reduces else call.output
            steps.append(Step(call.name, program.tensors[rows_of].shape[0]))
    return Schedule(tuple(steps))
