# SPDX-License-Identifier: Apache-2.0
"""The command `check`: can this model be compiled, and what will it cost?"""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.markup import escape

from eightbit.checkup import Checkup, check_model
from eightbit.console import LOG, OUT, command, say, table_of
from eightbit.errors import printable
from eightbit.estimate import Estimate
from eightbit.frontend import input_shapes


@click.command("check")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--target", "target_name", help="Must it fit this target's memories? [default: say which it fits]")
@click.option(
    "--shape",
    multiple=True,
    metavar="[NAME=]SIZES",
    help="Sizes that the model leaves open: 1,3,96,96. Once per input.",
)
@command
def check_command(model: Path, target_name: str | None, shape: tuple[str, ...], as_json: bool) -> int:
    """Say whether MODEL compiles, and what it will cost.

    Needs no samples. Names everything that stands in the way at once, with what to do (status 1), or says what the
    network takes of RAM and flash, before a sample is seen, and which boards it fits (status 0).

    \b
    eightbit check model.onnx --target microbit
    """
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
        table = table_of("where", "why", "what to do")
        for item in found.obstacles:
            table.add_row(*(escape(printable(text)) for text in (item.where, item.why, item.hint)))
        OUT.print(table)
    for kind, ports in (("input", found.inputs), ("output", found.outputs)):
        for name, shape in ports.items():
            say(f"{kind} {name!r} {list(shape)}")
    for note in found.notes:
        say(f"note: {note}")
    if found.estimate is not None:
        _show_figures(found.estimate)


def _show_figures(figures: Estimate) -> None:
    OUT.print("estimates, before a sample is seen; channels that never change are left out of a build:")
    said, table = figures.json(), table_of(show_header=False)
    table.add_row("parameters", f"{figures.parameters:,}", "weights and biases")
    most = "" if figures.macs == figures.macs_most else f"at most {figures.macs_most:,}"
    table.add_row("multiply-accumulates", f"{figures.macs:,}", most)
    table.add_row("RAM, bytes", f"{said['ram_bytes_bound']:,}", "or more: activations; stack apart")
    flash = f"with --optimize size: about {figures.code_bytes:,} of code, at most {figures.most.flash:,} of constants"
    table.add_row("flash, bytes", f"{said['flash_bytes_estimate']:,}", flash)
    OUT.print(table)
    _show_targets(figures)


def _show_targets(figures: Estimate) -> None:
    table = table_of("target", "takes RAM", "there is", "constants", "flash there is", "fits")
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
        OUT.print("on boards, bytes, stack and code apart:")
        OUT.print(table)
    if free:
        say(f"cores that have no memories of their own: {', '.join(free)}")
