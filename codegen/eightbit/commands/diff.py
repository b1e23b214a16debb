# SPDX-License-Identifier: Apache-2.0
"""The command `diff`: what changed between two builds."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eightbit import diff as differ
from eightbit import pipeline
from eightbit.console import command, say


@click.command("diff")
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@command
def diff_command(before: Path, after: Path, as_json: bool) -> int:
    """Tell what changed between two builds.

    BEFORE and AFTER are folders that `eightbit compile` wrote, or their program.txt. Status 0: the same bits, 1:
    others.
    """
    found = differ.diff(pipeline.reopen(before), pipeline.reopen(after))
    if as_json:
        click.echo(json.dumps(found.json()))
    else:
        bits = "the same bits" if found.same_bits else "the bits differ"
        lines = [f"{before} -> {after}: {'nothing changed' if found.empty else bits}", *found.lines()]
        say("\n".join(lines))
    return 0 if found.same_bits else 1
