# SPDX-License-Identifier: Apache-2.0
"""What a program needs of a memory, on which targets that fits, and what else would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from eightbit import target
from eightbit.ir.program import Program
from eightbit.options import IO, OPTIMIZE, Options
from eightbit.planning import plan
from eightbit.planning.schedule import schedule
from eightbit.planning.select import Selection, select


@dataclass(frozen=True)
class Needs:
    """In bytes. `ram`: the context and the caller's buffers, stack apart. `flash`: the constants, code apart.

    `ram_bound`: below which no order of the calls that we have, and no placement, brings the activations.
    """

    ram: int
    flash: int
    ram_bound: int

    def within(self, ram: int | None, flash: int | None) -> bool:
        """Limits in bytes; None: there is none."""
        return (ram is None or self.ram <= ram) and (flash is None or self.flash <= flash)


def weight_bytes(program: Program, selection: Selection) -> int:
    """Bytes of all constant arrays as the kernels store them."""
    chosen = selection.kernels
    return sum(a.nbytes for c in program.calls if c.name in chosen for a in chosen[c.name].pack(c).values())


def of_layout(program: Program, selection: Selection, layout: plan.Layout) -> Needs:
    buffers = layout.buffers.io_bytes if layout.buffers else 0
    ram = plan.align(layout.arena_bytes) + buffers
    return Needs(ram, weight_bytes(program, selection), layout.bound_bytes + buffers)


def of(program: Program, options: Options) -> Needs:
    """Without emitting anything."""
    selection = select(program, target.load(options.target), options.optimize)
    layout = plan.plan(program, selection, schedule(program, selection), options.io)
    return of_layout(program, selection, layout)


def on_targets(
    program: Program, boards: Sequence[target.Target], options: Options
) -> Iterator[tuple[target.Target, Needs]]:
    """The needs on each target; those with the same kernels need the same."""
    found: dict[Sequence[str], Needs] = {}
    for board in boards:
        if board.isa not in found:
            found[board.isa] = of(program, replace(options, target=board.name))
        yield board, found[board.isa]


def alternatives(program: Program, options: Options, ram: int | None, flash: int | None) -> list[str]:
    """Which other options, as the command line spells them, bring a program within limits on the same target."""
    found: list[dict[str, str]] = []
    for io, optimize in product(dict.fromkeys((options.io, *IO)), dict.fromkeys((options.optimize, *OPTIMIZE))):
        changed = {"--io": io} if io != options.io else {}
        changed |= {"--optimize": optimize} if optimize != options.optimize else {}
        more_than_needed = not changed or any(less.items() <= changed.items() for less in found)
        if not more_than_needed and of(program, replace(options, io=io, optimize=optimize)).within(ram, flash):
            found.append(changed)
    return [" ".join(f"{option} {value}" for option, value in changed.items()) for changed in found]
