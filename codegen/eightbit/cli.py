# SPDX-License-Identifier: Apache-2.0
"""The command line: arguments and printing only. Exit status 0 yes, 1 no, 2 usage or input error."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from eightbit import audit as auditor
from eightbit import (
    bench_text,
    board_log,
    input_ranges,
    load,
    lower,
    metrics,
    on_target,
    ops,
    pipeline,
    samples,
    target,
    toolchain,
)
from eightbit import build as builds
from eightbit import export as exporter
from eightbit.bench import BenchResult
from eightbit.console import LOG, OUT, command, show
from eightbit.errors import InputError
from eightbit.host_bench import HostResult
from eightbit.options import IO, OPTIMIZE, Options
from eightbit.recipe import Recipe


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(pipeline.tool_version(), prog_name="eightbit")
def main() -> None:
    """Compile ONNX networks to fixed-point C that gives the same bits on every processor."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # file names may hold what the terminal's encoding does not
        sys.stdout.reconfigure(errors="backslashreplace")


@main.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Samples (.npz keyed by input name, about 100 typical inputs) or a calibration.json of an earlier build.",
)
@click.option("--target", "target_name", default="generic", show_default=True, help="See `eightbit targets`.")
@click.option("--name", help="Prefix of all C symbols and files. [default: the file's stem up to its first dot]")
@click.option("-o", "--output", type=click.Path(path_type=Path), default=Path("out"), show_default=True)
@click.option(
    "--input-range",
    "input_range",
    multiple=True,
    metavar="[NAME=]LO,HI",
    help="The range of an input, whatever the samples have. 0,255 or 0,1 for pixels. Once per input.",
)
@click.option("--optimize", type=click.Choice(OPTIMIZE), default="speed", show_default=True, help="No bit changes.")
@click.option("--io", type=click.Choice(IO), default="arena", show_default=True, help="Where inputs and outputs lie.")
@click.option("--no-equalize", is_flag=True, help="Leave out the equalisation of channels.")
@click.option("--no-coordinate-descent", is_flag=True, help="Round every weight to the nearest.")
@click.option("--no-activation-correction", is_flag=True, help="Leave out the correction of means after activations.")
@click.option("--dump-after", type=click.Choice(pipeline.STAGES), help="Also print what this stage gave.")
@command
def compile_command(
    model: Path,
    calibration: Path | None,
    target_name: str,
    name: str | None,
    output: Path,
    input_range: tuple[str, ...],
    optimize: str,
    io: str,
    no_equalize: bool,
    no_coordinate_descent: bool,
    no_activation_correction: bool,
    dump_after: str | None,
    as_json: bool,
) -> int:
    """Compile MODEL to C. MODEL is an .onnx file, or the program.txt of a build."""

    def dump(stage: str, text: str) -> None:
        status.update(f"after {stage}")
        if stage == dump_after:
            click.echo(text, nl=False, err=as_json)

    with LOG.status("loading") as status:
        recipe = Recipe(
            equalize=not no_equalize,
            coordinate_descent=not no_coordinate_descent,
            activation_correction=not no_activation_correction,
        )
        ranges, options = input_ranges.parse(input_range) or None, Options(target_name, io, optimize)
        build = pipeline.compile_model(model, calibration, options, name, dump, recipe, ranges)
        build.write(output)
    document = build.report() | {"output": str(output)}
    if not as_json:
        del document["layers"]  # the notes sum them up
        document["rescales"] = [str(found) for found in build.rescales]
    show(document, as_json, f"{build.emission.name} -> {output}")
    return 0


@main.command("verify")
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
        _alone("--log", {"--samples": sample_file, "--target": target_name, "--cc": cc, "--cflags": cflags})
        found = board_log.verify_log(log, builds.open_folder(folder)[0])
        show(found.json(), as_json, found.verdict)
        return 0 if found.ok else 1
    if target_name is not None:
        _alone("--target", {"--cc": cc})
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


def _alone(option: str, others: Mapping[str, Any]) -> None:
    """Refuse options that have no meaning beside another."""
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise InputError(
            f"{given[0]} has no meaning with {option}",
            where=", ".join([option, *given]),
            why="a target has a compiler of its own" if option == "--target" else "a log says what a board has run",
            hint="leave out one of the two",
        )


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


@main.command("bench")
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
        _alone("--target", {"--cc": cc})
    with LOG.status("running"):
        if target_name is None:
            result: BenchResult | HostResult = on_target.bench_on_host(folder, sample_file, cc or "gcc", flags)
        else:
            result = on_target.bench_on(folder, target_name, sample_file, flags)
    if as_json:
        click.echo(json.dumps(result.json()))
    else:
        bench_text.show(result.json())
    return 0


@main.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--build", "folder", type=click.Path(path_type=Path), help="A compiled folder of this model.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Or: compile with these first.")
@click.option("--samples", "sample_file", type=click.Path(path_type=Path), required=True, help="With `labels`, if any.")
@click.option("--metric", type=click.Choice(list(metrics.METRICS)), default="accuracy", show_default=True)
@command
def evaluate_command(
    model: Path, folder: Path | None, calibration: Path | None, sample_file: Path, metric: str, as_json: bool
) -> int:
    """Compare float with fixed point. Accuracies, agreement and SQNR of MODEL on samples, or an autoencoder's error."""
    if (folder is None) == (calibration is None):
        raise InputError(
            "nothing to compare with" if folder is None else "two builds to compare with",
            where="--build, --calibration",
            why="the model is compared with one build: a compiled folder, or one made now",
            hint="give either --build or --calibration",
        )
    with LOG.status("evaluating"):
        graph = pipeline.float_graph(load.load(model))
        if folder is not None:
            program, _ = builds.open_folder(folder)
        else:
            program = pipeline.compile_model(model, calibration).program
        given = samples.of_graph(graph, sample_file)
        metrics.check_same_model(graph, program)
        result = metrics.METRICS[metric](graph, program, given)
    show(result, as_json, f"{model} on {sample_file}")
    return 0


@main.command("audit")
@click.argument("folder", type=click.Path(path_type=Path))
@command
def audit_command(folder: Path, as_json: bool) -> int:
    """Re-derive every proof of a build. An independent checker reads FOLDER, and nothing else."""
    report = auditor.audit(folder)
    if as_json:
        click.echo(json.dumps(report.json()))
    elif report.ok:
        show(dict(report.proven), False, f"{report.name}: everything holds; facts proven:")
    else:
        OUT.print("\n".join(map(str, report.findings)), markup=False, soft_wrap=True)
        OUT.print(f"{report.name}: {len(report.findings)} findings", markup=False, soft_wrap=True)
    return 0 if report.ok else 1


@main.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The .onnx file to write.")
@command
def export_command(folder: Path, output: Path, as_json: bool) -> int:
    """Write a build as QDQ ONNX. Any ONNX runtime can run it."""
    program, _ = builds.open_folder(folder)
    exporter.write(program, output)
    show({"output": str(output), "calls": len(program.calls)}, as_json, f"{folder} -> {output}")
    return 0


@main.command("targets")
@command
def targets_command(as_json: bool) -> int:
    """List the targets. The name of each and what it is good for."""
    show({name: target.load(name).summary for name in target.names()}, as_json, "targets")
    return 0


@main.command("ops")
@command
def ops_command(as_json: bool) -> int:
    """List the operators. ONNX operators that compile, and the fixed-point operators they become."""
    document = {
        "onnx": ", ".join(lower.all_rules()) if not as_json else list(lower.all_rules()),
        **{op.name: op.bits for op in ops.all_ops().values()},
    }
    show(document, as_json, "operators")
    return 0


if __name__ == "__main__":
    main()
