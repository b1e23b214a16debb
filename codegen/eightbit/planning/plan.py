# SPDX-License-Identifier: Apache-2.0
"""Where every tensor lies in the arena, and the proof of how much memory that takes.

Tensors that a call without code ties together share one place. A packing is called optimal only where it meets the
lower bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eightbit import ops
from eightbit.ir.program import Call, Program, Tensor
from eightbit.planning.buffers import Buffers, caller_buffers
from eightbit.planning.packing import Place, best_packing, extent, lower_bound
from eightbit.planning.schedule import Schedule
from eightbit.planning.select import Selection

Lives = dict[str, Place]
ALIGN = 8  # of scratch and of the context: the widest type there is


@dataclass(frozen=True)
class View:
    """How rows lie from `offset` on in the arena, or in a `buffer` of the caller.

    Strides are in elements; a whole tensor's ring is its height.
    """

    buffer: str | None
    offset: int
    row: int
    pixel: int
    plane: int
    ring: int


@dataclass(frozen=True)
class Layout:
    """Places by tensor, and the sums a firmware engineer wants to know, in bytes.

    `buffers`: the caller's, where inputs and outputs lie in them; the sums hold none of those.
    """

    places: Mapping[str, Place]
    activation_bytes: int
    bound_bytes: int
    scratch_bytes: int
    state_bytes: int
    buffers: Buffers | None = None

    @property
    def scratch_offset(self) -> int:
        return align(self.activation_bytes) if self.scratch_bytes else self.activation_bytes

    @property
    def arena_bytes(self) -> int:
        return self.scratch_offset + self.scratch_bytes

    @property
    def optimal(self) -> bool:
        return self.activation_bytes == self.bound_bytes

    def view(self, tensor: Tensor) -> View:
        height, width, channels = tensor.shape
        buffer, offset = self.buffer(tensor.name), self.places[tensor.name].offset
        if tensor.order == "CHW":
            return View(buffer, offset, width, 1, height * width, height)
        return View(buffer, offset, width * channels, channels, 1, height)

    def buffer(self, tensor: str) -> str | None:
        """The caller's buffer that a tensor lies in; None: the arena."""
        return None if self.buffers is None else self.buffers.homes.get(tensor)


def align(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


def plan(program: Program, selection: Selection, steps: Schedule, io: str = "arena") -> Layout:
    """Pack all tensors; with `io` "caller" all that do not lie in a buffer of the caller."""
    buffers, inner, outer = _divide(program, steps, io)
    places = best_packing(inner)
    return _layout(program, selection, inner, places | outer, extent(places), buffers)


def plan_apart(program: Program, selection: Selection, steps: Schedule, gap: int, io: str = "arena") -> Layout:
    """Every place of the arena for the whole run, `gap` bytes apart: verification finds stray writes with it."""
    buffers, inner, outer = _divide(program, steps, io)
    places, offset = dict(outer), gap
    for name, life in inner.items():
        places[name] = Place(offset, life.size, 0, len(steps.steps) + 1)
        offset += life.size + gap
    return _layout(program, selection, inner, places, offset, buffers)


def _divide(program: Program, steps: Schedule, io: str) -> tuple[Buffers | None, Lives, Lives]:
    """The caller's buffers, and the lifetimes of what lies in the arena and of what lies in them."""
    lives = lifetimes(program, steps)
    if io == "arena":
        return None, lives, {}
    buffers = caller_buffers(program, roots(program))
    outer = {name: life for name, life in lives.items() if name in buffers.homes}
    return buffers, {name: life for name, life in lives.items() if name not in outer}, outer


def _layout(
    program: Program,
    selection: Selection,
    lives: Mapping[str, Place],
    places: Mapping[str, Place],
    size: int,
    buffers: Buffers | None,
) -> Layout:
    homes = roots(program)
    facts = [(program_call, selection.kernels[program_call.name]) for program_call in _with_code(program, selection)]
    return Layout(
        places={name: places[homes[name]] for name in program.tensors},
        activation_bytes=size,
        bound_bytes=lower_bound(lives),
        scratch_bytes=max((kernel.scratch(call) for call, kernel in facts), default=0),
        state_bytes=max((kernel.state(call) for call, kernel in facts), default=0),
        buffers=buffers,
    )


def _with_code(program: Program, selection: Selection) -> list[Call]:
    return [call for call in program.calls if call.name in selection.kernels]


def roots(program: Program) -> dict[str, str]:
    """The tensor whose place each tensor shares: its own, or that of a code-less call's input."""
    found = {port.tensor: port.tensor for port in program.inputs}
    for call in program.calls:
        found[call.output] = call.output if ops.get(call.op).has_code else found[call.inputs[0]]
    return found


def lifetimes(program: Program, steps: Schedule) -> dict[str, Place]:
    """Size, first and last step of every place, offsets still 0, in the order they are made."""
    homes, end = roots(program), len(steps.steps) + 1
    number = {step.call: i for i, step in enumerate(steps.steps, start=1)}
    first = {port.tensor: 0 for port in program.inputs}
    last = dict(first)
    for call in program.calls:
        if call.name in number:
            first[call.output] = last[call.output] = number[call.name]
            for name in call.inputs:
                last[homes[name]] = max(last[homes[name]], number[call.name])
    for port in program.outputs:
        last[homes[port.tensor]] = end
    return {name: Place(0, program.tensors[name].size, first[name], last[name]) for name in first}


def text(program: Program, selection: Selection, layout: Layout) -> str:
    """plan.txt: call order, kernels, views, first and last use."""
    verdict = "optimal: equal to the lower bound" if layout.optimal else f"lower bound {layout.bound_bytes}"
    lines = [
        f"plan of {program.name}, layer by layer",
        f"activation_bytes {layout.activation_bytes} ({verdict})",
        f"scratch_bytes {layout.scratch_bytes}",
        f"state_bytes {layout.state_bytes}",
        f"arena_bytes {layout.arena_bytes}",
        *([] if layout.buffers is None else [f"io_bytes {layout.buffers.io_bytes}, the caller's buffers"]),
        "",
    ]
    for name, tensor in program.tensors.items():
        place, view = layout.places[name], layout.view(tensor)
        buffer = f"buffer {view.buffer} " if view.buffer else ""
        lines.append(
            f"tensor {name} {buffer}offset {place.offset} size {place.size} first {place.first} last {place.last} "
            f"row {view.row} pixel {view.pixel} plane {view.plane} ring {view.ring}"
        )
    lines.append("")
    for number, call in enumerate(_with_code(program, selection), start=1):
        kernel = selection.kernels[call.name]
        lines.append(
            f"step {number} {call.name} {kernel.symbol} in {' '.join(call.inputs)} out {call.output} "
            f"scratch {kernel.scratch(call)} state {kernel.state(call)}"
        )
    for to, source in layout.buffers.copies if layout.buffers else ():
        lines.append(f"copy {to} from {source}")
    return "\n".join(lines) + "\n"
