# SPDX-License-Identifier: Apache-2.0
"""The command `bench`: what a build costs."""

from __future__ import annotations

import json
from pathlib import Path

import click

from eightbit import on_target, toolchain
from eightbit.bench import text
from eightbit.bench.emulated import BenchResult
from eightbit.bench.host import HostResult
from eightbit.console import LOG, alone, command


@click.command("bench")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--samples", "sample_file", type=click.Path(path_type=Path), help="Run the first. [default: noise]")
@click.option("--target", "target_name", help="Count in this target's emulator. [default: time it on the host]")
@click.option("--cc", help="Host C compiler. [default: gcc]")
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
    """Measure a build. Instructions of each call (on the host: time), flash, RAM and stack."""
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
