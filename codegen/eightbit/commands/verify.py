# SPDX-License-Identifier: Apache-2.0
"""The command `verify`: the C of a build beside the simulator, on the host, in emulators, or from a board's log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.markup import escape

from eightbit import build as builds
from eightbit import on_target
from eightbit.console import LOG, OUT, alone, command, say, show, table_of
from eightbit.execution import board_log, toolchain


@click.command("verify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    "sample_file",
    type=click.Path(path_type=Path),
    help="Inputs to run, an .npz as for compile. [default: seeded noise]",
)
@click.option("--target", "target_name", help="Run in this target's emulator; all: in each. [default: on this machine]")
@click.option("--layers", is_flag=True, help="With --target: compare every layer, not just the outputs.")
@click.option("--log", type=click.Path(path_type=Path), help="Run nothing: read what the self-test printed on a board.")
@click.option("--cc", help="C compiler of this machine. [default: gcc]")
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
    """Run the C of a build and compare its bits.

    Compiles the files in FOLDER, which `eightbit compile` wrote, runs them, and compares every byte with the simulator
    that defines the arithmetic: on this machine of every layer. Status 0: the same bits, 1: others, 2: nothing ran.

    \b
    eightbit verify out/ --samples test.npz
    eightbit verify out/ --target cortex-m4
    eightbit verify out/ --log board.txt
    """
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
    """One row for each target; those that are too small or whose tools are missing are listed, and no failure.

    Where none has run there is no answer: status 2.
    """
    rows = []
    with LOG.status("running") as status:
        for row in on_target.verify_all(folder, sample_file, layers, flags):
            rows.append(row)
            status.update(f"after {row.target}")
    if as_json:
        click.echo(json.dumps({"targets": [asdict(row) for row in rows]}))
    else:
        table = table_of("target", "machine", "result", "differing bytes", "why")
        table.columns[0].no_wrap = True
        for row in rows:
            counts = f"{row.differing_bytes:,} of {row.compared_bytes:,}" if row.compared_bytes else ""
            table.add_row(row.target, row.machine, row.status, counts, escape(row.why))
        OUT.print(table)
        say("\n".join(_sum_up(rows)))
    if not all(row.ok for row in rows):
        return 1
    return 0 if any(row.status == "same" for row in rows) else 2


def _sum_up(rows: Sequence[on_target.Row]) -> list[str]:
    """How many gave which answer, and what to install for the others."""
    counts = Counter(row.status for row in rows)
    packages = sorted({package for row in rows for package in row.packages})
    lines = [f"{len(rows)} targets: " + ", ".join(f"{count} {status}" for status, count in counts.items())]
    if packages:
        lines.append(f"missing tools: apt install {' '.join(packages)}, or `make toolchains` in a checkout")
    return lines
