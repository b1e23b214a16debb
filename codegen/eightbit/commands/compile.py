# SPDX-License-Identifier: Apache-2.0
"""The command `compile`: a model becomes a folder of C."""

from __future__ import annotations

from pathlib import Path

import click

from eightbit import budgets, input_ranges, input_shapes, pipeline
from eightbit.budgets import Budgets
from eightbit.console import LOG, command, show
from eightbit.options import IO, OPTIMIZE, PACKAGE, Options
from eightbit.recipe import Recipe


@click.command("compile")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Samples (.npz keyed by input name, about 100 typical inputs) or a calibration.json of an earlier build.",
)
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="Further samples, with `labels`: the report says the accuracy on them, float and fixed.",
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
@click.option("--shape", multiple=True, metavar="[NAME=]SIZES", help="Sizes of an input: 1,3,96,96. Once per input.")
@click.option("--max-ram", help="Bytes, or 32K: exit status 1 if context and buffers take more, stack apart.")
@click.option("--max-flash", help="Bytes, or 1M: exit status 1 if constants take more, code apart.")
@click.option("--optimize", type=click.Choice(OPTIMIZE), default="speed", show_default=True, help="No bit changes.")
@click.option("--io", type=click.Choice(IO), default="arena", show_default=True, help="Where inputs and outputs lie.")
@click.option(
    "--package", type=click.Choice(PACKAGE), default="cmake", show_default=True, help="What takes the folder."
)
@click.option("--no-equalize", is_flag=True, help="Leave out the equalisation of channels.")
@click.option("--no-coordinate-descent", is_flag=True, help="Round every weight to the nearest.")
@click.option("--no-activation-correction", is_flag=True, help="Leave out the correction of means after activations.")
@click.option("--dump-after", type=click.Choice(pipeline.STAGES), help="Also print what this stage gave.")
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
        ranges, shapes = input_ranges.parse(input_range) or None, input_shapes.parse(shape) or None
        limits = Budgets(budgets.parse("--max-ram", max_ram), budgets.parse("--max-flash", max_flash))
        options = Options(target_name, io, optimize, package)
        build = pipeline.compile_model(model, calibration, options, name, dump, recipe, ranges, shapes, limits, test)
        build.write(output)
    document = build.report() | {"output": str(output)}
    if not as_json:
        del document["layers"]  # the notes sum them up
        document["rescales"] = [str(found) for found in build.rescales]
    show(document, as_json, f"{build.emission.name} -> {output}")
    return 0
