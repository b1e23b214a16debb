# SPDX-License-Identifier: Apache-2.0
"""The command `check`: can this model be compiled, and what will it cost?"""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from eightbit import input_shapes
from eightbit.checkup import Checkup, check_model
from eightbit.console import LOG, OUT, command, say, show
from eightbit.errors import printable
from eightbit.estimate import Estimate


@click.command("check")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "target_name", help="That it does not fit this target is an obstacle. [default: any]")
@click.option("--shape", multiple=True, metavar="[NAME=]SIZES", help="Sizes of an input: 1,3,96,96. Once per input.")
@command
def check_command(model: Path, target_name: str | None, shape: tuple[str, ...], as_json: bool) -> int:
    """Name every obstacle at once. Or say what MODEL will cost, before any sample is seen, and where it fits."""
    with LOG.status("checking"):
        found = check_model(model, target_name, input_shapes.parse(shape) or None)
    if as_json:
        click.echo(json.dumps(found.json()))
    else:
        _show(found)
    return 1 if found.obstacles else 0


def _show(found: Checkup) -> None:
    count = len(found.obstacles)
    verdict = f"{count} obstacle{'s' if count > 1 else ''}" if count else "no obstacle"
    say(f"{found.name}: {verdict}")
    if found.obstacles:
        table = Table("where", "why", "what to do")
        for item in found.obstacles:
            table.add_row(*(escape(printable(text)) for text in (item.where, item.why, item.hint)))
        OUT.print(table)
    if found.estimate is not None:
        _show_figures(found, found.estimate)


def _show_figures(found: Checkup, figures: Estimate) -> None:
    document = figures.json()
    del document["targets"]
    show(document | {"notes": list(found.notes)}, False, "before any sample is seen:")
    table = Table("target", "RAM", "there is", "constants", "flash", "fits", title="bytes, stack and code apart")
    table.columns[0].no_wrap = True
    free = []
    for fit in figures.targets:
        limits = fit.target.ram_bytes, fit.target.flash_bytes
        if limits == (None, None):
            free.append(fit.target.name)
            continue
        ram, flash = ("no limit" if size is None else f"{size:,}" for size in limits)
        table.add_row(fit.target.name, f"{fit.likely.ram:,}", ram, f"{fit.likely.flash:,}", flash, fit.verdict)
    if table.row_count:
        OUT.print(table)
    if free:
        say(f"no limit of their own: {', '.join(free)}")
