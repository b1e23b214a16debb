# SPDX-License-Identifier: Apache-2.0
"""The command `evaluate`: the float network beside the fixed-point one."""

from __future__ import annotations

from pathlib import Path

import click

from eightbit import build as builds
from eightbit import input_ranges, input_shapes, load, metrics, pipeline, samples
from eightbit.console import LOG, command, show
from eightbit.errors import InputError


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--build", "folder", type=click.Path(path_type=Path), help="A compiled folder of this model.")
@click.option("--calibration", type=click.Path(path_type=Path), help="Or: compile with these first.")
@click.option("--samples", "sample_file", type=click.Path(path_type=Path), required=True, help="With `labels`, if any.")
@click.option("--shape", multiple=True, metavar="[NAME=]SIZES", help="The shapes it was compiled with, if any.")
@click.option("--metric", type=click.Choice(list(metrics.METRICS)), default="accuracy", show_default=True)
@command
def evaluate_command(
    model: Path,
    folder: Path | None,
    calibration: Path | None,
    sample_file: Path,
    shape: tuple[str, ...],
    metric: str,
    as_json: bool,
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
        shapes = input_shapes.parse(shape) or None
        graph = pipeline.float_graph(load.load(model, shape=shapes))
        if folder is not None:
            program, _ = builds.open_folder(folder)
        else:
            program = pipeline.compile_model(model, calibration, shape=shapes).program
        given = samples.of_graph(graph, sample_file)
        metrics.check_same_model(graph, program)
        input_ranges.check_saturation(program, given)
        result = metrics.METRICS[metric](graph, program, given)
    show(result, as_json, f"{model} on {sample_file}")
    return 0
