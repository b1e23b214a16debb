# SPDX-License-Identifier: Apache-2.0
"""The command `compile`: a model becomes a folder of C."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from eightbit import pipeline
from eightbit.build import Build
from eightbit.console import LOG, OUT, command, say
from eightbit.frontend import input_shapes
from eightbit.options import IO, OPTIMIZE, PACKAGE, Options
from eightbit.planning import budgets
from eightbit.planning.budgets import Budgets
from eightbit.ptq import input_ranges
from eightbit.ptq.recipe import Recipe
from eightbit.reporting.summary import summary


@click.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="About 100 typical inputs: an .npz with an array [n, ...] for each model input. Or the calibration.json of"
    " an earlier build.",
)
@click.option(
    "--target", "target_name", default="generic", show_default=True, help="Processor, one of `eightbit targets`."
)
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="Further samples, with `labels`: the report says the accuracy on them, float and fixed.",
)
@click.option("--name", help="Prefix of all C symbols and files. [default: the file's stem up to its first dot]")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), default=Path("out"), show_default=True, help="Folder of the C."
)
@click.option(
    "--input-range",
    "input_range",
    multiple=True,
    metavar="[NAME=]LO,HI",
    help="Least and largest value that the float model takes, whatever the samples have: 0,255 or 0,1 for pixels."
    " Once per input.",
)
@click.option(
    "--shape",
    multiple=True,
    metavar="[NAME=]SIZES",
    help="Sizes that the model leaves open: 1,3,96,96. Once per input.",
)
@click.option("--max-ram", help="Bytes, or 32K: refuse (status 1) if context and buffers take more, stack apart.")
@click.option("--max-flash", help="Bytes, or 1M: refuse (status 1) if constants take more, code apart.")
@click.option(
    "--optimize",
    type=click.Choice(OPTIMIZE),
    default="speed",
    show_default=True,
    help="Fast kernels or small code; results are the same.",
)
@click.option(
    "--io",
    type=click.Choice(IO),
    default="arena",
    show_default=True,
    help="Inputs and outputs lie in the context (arena), or in buffers of yours (caller).",
)
@click.option(
    "--package",
    type=click.Choice(PACKAGE),
    default="cmake",
    show_default=True,
    help="Lay the folder out for CMake and plain compilers, or as an Arduino and PlatformIO library.",
)
@click.option("--no-equalize", is_flag=True, help="Do not even out channels of very different ranges.")
@click.option("--no-coordinate-descent", is_flag=True, help="Round every weight to the nearest.")
@click.option("--no-activation-correction", is_flag=True, help="Do not correct means after activations.")
@click.option(
    "--dump-after", type=click.Choice(pipeline.STAGES), help="Also print what this stage of the compiler made."
)
@command
def compile_command(
    model: Path,
    calibration: Path | None,
    test: Path | None,
    target_name: str,
    name: str | None,
    output: Path,
    input_range: tuple[str, ...],
    shape: tuple[str, ...],
    max_ram: str | None,
    max_flash: str | None,
    optimize: str,
    io: str,
    package: str,
    no_equalize: bool,
    no_coordinate_descent: bool,
    no_activation_correction: bool,
    dump_after: str | None,
    as_json: bool,
) -> int:
    """Compile MODEL to C.

    MODEL is an .onnx file with float weights; it needs --calibration. Or it is the program.txt of a build, which makes
    the C again, for another target, say.

    \b
    eightbit compile model.onnx --calibration samples.npz -o out/
    eightbit compile out/program.txt --target cortex-m4 -o out_m4/
    """

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
        ranges, shapes = input_ranges.parse(input_range) or None, input_shapes.parse(shape) or None
        limits = Budgets(budgets.parse("--max-ram", max_ram), budgets.parse("--max-flash", max_flash))
        options = Options(target_name, io, optimize, package)
        build = pipeline.compile_model(model, calibration, options, name, dump, recipe, ranges, shapes, limits, test)
        build.write(output)
    if as_json:
        click.echo(json.dumps(build.report() | {"output": str(output)}))
    else:
        _show(build, output)
    return 0


def _show(build: Build, output: Path) -> None:
    """What people ask first, what there is to know of it, and what to do next; --json has every figure."""
    say(f"{build.emission.name} -> {output}")
    table, known = Table(show_header=False), build.calibration.fidelity if build.calibration is not None else {}
    for row in summary(build, build.report(), known):
        table.add_row(*map(escape, row))
    OUT.print(table)
    for note in (*build.notes, *map(str, build.rescales)):
        say(f"note: {note}")
    say(f"next: `eightbit verify {shlex.quote(str(output))}` runs the C beside the simulator")
    say("its README.md says how to call it, its report.html what every layer costs")
