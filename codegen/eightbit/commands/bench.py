# SPDX-License-Identifier: Apache-2.0
"""The command `bench`: what a build costs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eightbit import on_target
from eightbit.bench import text
from eightbit.bench.emulated import BenchResult
from eightbit.bench.host import HostResult
from eightbit.console import LOG, alone, command
from eightbit.execution import toolchain


@click.command("bench")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    "sample_file",
    type=click.Path(path_type=Path),
    help="Run the first of these, an .npz as for compile. [default: noise]",
)
@click.option("--target", "target_name", help="Count instructions in this target's emulator. [default: time it here]")
@click.option("--cc", help="C compiler of this machine. [default: gcc]")
@click.option("--cflags", help=f"Optimisation flags. [default: {' '.join(toolchain.DEFAULT_FLAGS)}]")
@command
def bench_command(
    folder: Path,
    sample_file: Path | None,
    target_name: str | None,
    cc: str | None,
    cflags: str | None,
    as_json: bool,
) -> int:
    """Measure time, code, RAM and stack of a build.

    FOLDER is what `eightbit compile` wrote. With --target: instructions of each layer in an emulator, and cycles where
    they can be told. Without: time on this machine.

    \b
    eightbit bench out/ --target cortex-m4
    """
    flags = toolchain.DEFAULT_FLAGS if cflags is None else tuple(cflags.split())
    if target_name is not None:
        alone("--target", {"--cc": cc})
    with LOG.status("running"):
        if target_name is None:
            result: BenchResult | HostResult = on_target.bench_on_host(folder, sample_file, cc or "gcc", flags)
        else:
            result = on_target.bench_on(folder, target_name, sample_file, flags)
    if as_json:
        click.echo(json.dumps(result.json()))
    else:
        text.show(result.json())
    return 0
