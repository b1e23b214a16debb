# SPDX-License-Identifier: Apache-2.0
"""Limits on memories: those of a board, and those that are asked for. Breaking one is the answer no, with a way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from eightbit import target
from eightbit.errors import BudgetError, InputError
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning import needs
from eightbit.planning.needs import Needs

UNITS = {"": 1, "k": 1024, "m": 1024**2}


@dataclass(frozen=True)
class Budgets:
    """In bytes; None: no limit. `of` says whose they are, "" where they were asked for."""

    ram: int | None = None
    flash: int | None = None
    of: str = ""


NONE = Budgets()


def of_target(board: target.Target) -> Budgets:
    return Budgets(board.ram_bytes, board.flash_bytes, board.name)


def parse(option: str, text: str | None) -> int | None:
    """Bytes: `32768`, `32K`, `32KiB` or `1M`."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,12}) ?([km]?)(?:ib|b)?", text.strip().lower())
    if found is None:
        raise InputError(
            f"cannot read {option} {text!r}",
            where=option,
            why="a size is a number of bytes, or of KiB (K) or MiB (M)",
            hint=f"write it as {option} 32768 or {option} 32K",
        )
    return int(found[1]) * UNITS[found[2]]


def enforce(program: Program, options: Options, wants: Needs, limits: Budgets) -> None:
    """Raises BudgetError for the first limit that is broken."""
    for error in broken(program, options, wants, limits):
        raise error


def broken(program: Program, options: Options, wants: Needs, limits: Budgets) -> Iterator[BudgetError]:
    """An error for each limit that a program breaks, with what would be within all of them."""
    for memory, need, limit, apart in (
        ("RAM", wants.ram, limits.ram, "stack apart"),
        ("flash", wants.flash, limits.flash, "code apart"),
    ):
        if limit is not None and need > limit:
            hint = _way_out(program, options, wants, limits)
            yield BudgetError(limits.of, memory, need, limit, note=f", {apart}", hint=hint)


def _way_out(program: Program, options: Options, wants: Needs, limits: Budgets) -> str:
    others = needs.alternatives(program, options, limits.ram, limits.flash)
    if others:
        return f"it fits with {' or with '.join(others)}"
    if limits.ram is not None and wants.ram_bound > limits.ram:
        found = f"the activations alone take {wants.ram_bound} bytes: take smaller inputs or fewer channels"
    else:
        found = "no --io or --optimize makes it fit: take a smaller network"
    return found + _larger(program, options, limits)


def _larger(program: Program, options: Options, limits: Budgets) -> str:
    """The targets with memories of their own that are large enough, where it is a target that is too small."""
    if not limits.of:
        return ""
    boards = [board for name in target.names() if (board := target.load(name)).ram_bytes is not None]
    found = needs.on_targets(program, boards, options)
    fitting = [board.name for board, wants in found if wants.within(board.ram_bytes, board.flash_bytes)]
    return f", or a larger target ({', '.join(fitting) or 'one without limits of its own: `eightbit targets`'})"
