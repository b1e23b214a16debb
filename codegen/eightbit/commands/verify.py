# SPDX-License-Identifier: Apache-2.0
"""The command `verify`: the C of a build beside the simulator, on the host, in emulators, or from a board's log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from eightbit import board_log, on_target, toolchain
from eightbit import build as builds
from eightbit.console import LOG, OUT, alone, command, show


@click.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--samples", "sample_file", type=click.Path(path_type=Path), help="[default: seeded vectors]")
@click.option("--target", "target_name", help="Run in this target's emulator; `all`: in each. [default: on the host]")
@click.option("--layers", is_flag=True, help="With --target: compare every row of every call too, not just outputs.")
@click.option("--log", type=click.Path(path_type=Path), help="Run nothing: read what a board's self-test printed.")
@click.option("--cc", help="Host C compiler. [default: gcc]")
@click.option("--cflags", help=f"Optimisation flags. [default: {' '.join(toolchain.DEFAULT_FLAGS)}]")
@command
def verify_command(
    folder: Path,
    sample_file: Path | None,
    target_name: str | None,
    layers: bool,
    log: Path | None,
    cc: str | None,
    cflags: str | None,
    as_json: bool,
) -> int:
    """Run the C of a build and compare. Every byte, as FOLDER has it, against the simulator; on the host every call."""
    flags = toolchain.DEFAULT_FLAGS if cflags is None else tuple(cflags.split())
    if log is not None:
        alone("--log", {"--samples": sample_file, "--target": target_name, "--cc": cc, "--cflags": cflags})
        found = board_log.verify_log(log, builds.open_folder(folder)[0])
        show(found.json(), as_json, found.verdict)
        return 0 if found.ok else 1
    if target_name is not None:
        alone("--target", {"--cc": cc})
    if target_name == "all":
        return _verify_all(folder, sample_file, layers, flags, as_json)
    with LOG.status("running"):
        if target_name is None:
            result = builds.verify_folder(folder, sample_file, cc or "gcc", flags)
        else:
            result = on_target.verify_on(folder, target_name, sample_file, layers, flags)
    more = "; --layers names the call where they do first" if result.emulator and not layers else ""
    show(result.json(), as_json, "the same bits" if result.ok else f"the bits differ{more}")
    return 0 if result.ok else 1


def _verify_all(folder: Path, sample_file: Path | None, layers: bool, flags: Sequence[str], as_json: bool) -> int:
    """One row for each target; those that are too small or whose tools are missing are listed, and no failure."""
    rows = []
    with LOG.status("running") as status:
        for row in on_target.verify_all(folder, sample_file, layers, flags):
            rows.append(row)
            status.update(f"after {row.target}")
    if as_json:
        click.echo(json.dumps({"targets": [asdict(row) for row in rows]}))
    else:
        table = Table("target", "machine", "result", "differing bytes", "why")
        table.columns[0].no_wrap = True
        for row in rows:
            counts = f"{row.differing_bytes:,} of {row.compared_bytes:,}" if row.compared_bytes else ""
            table.add_row(row.target, row.machine, row.status, counts, escape(row.why))
        OUT.print(table)
    return 0 if all(row.ok for row in rows) else 1
