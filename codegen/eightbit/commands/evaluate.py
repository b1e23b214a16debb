# SPDX-License-Identifier: Apache-2.0
"""The command `evaluate`: the float network beside the fixed-point one."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from eightbit import build as builds
from eightbit import pipeline
from eightbit.console import LOG, OUT, command, say, show, table_of
from eightbit.errors import InputError, printable
from eightbit.frontend import input_shapes, load, samples
from eightbit.reporting import blame, metrics


@click.command("evaluate")
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--build", "folder", type=click.Path(path_type=Path), help="The folder that `eightbit compile` made of MODEL."
)
@click.option(
    "--calibration", type=click.Path(path_type=Path), help="Instead of --build: compile with these samples first."
)
@click.option(
    "--samples",
    "sample_file",
    type=click.Path(path_type=Path),
    required=True,
    help="An .npz with an array for each model input, and class numbers as `labels`, if there are any.",
)
@click.option("--shape", multiple=True, metavar="[NAME=]SIZES", help="As for compile, where it was given there.")
@click.option(
    "--metric",
    type=click.Choice(list(metrics.METRICS)),
    default="accuracy",
    show_default=True,
    help="Of classes; or of an autoencoder's output beside its input.",
)
@click.option("--layers", is_flag=True, help="Also what every layer loses, and what to do about the worst.")
@command
def evaluate_command(
    model: Path,
    folder: Path | None,
    calibration: Path | None,
    sample_file: Path,
    shape: tuple[str, ...],
    metric: str,
    layers: bool,
    as_json: bool,
) -> int:
    """Compare the accuracy of float and fixed point.

    Runs MODEL in float and its build in fixed point on samples. Agreement: the share of samples with the same class
    from both. SQNR: signal over quantisation noise at the result: at 20 dB the noise is a tenth of the signal, at 40 a
    hundredth.

    \b
    eightbit evaluate model.onnx --build out/ --samples test.npz --layers
    """
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
            found = builds.calibration_of(folder) if layers else None
        else:
            build = pipeline.compile_model(model, calibration, shape=shapes)
            program, found = build.program, build.calibration
        given = samples.of_graph(graph, sample_file)
        result = metrics.measure(graph, program, given, samples.origin(sample_file), metric)
        judged = blame.blame(graph, found, program, given) if layers else []
    notes = [] if as_json else result.pop("notes")
    show(result | (blame.document(judged) if layers and as_json else {}), as_json, f"{model} on {sample_file}")
    for note in notes:
        say(f"note: {note}")
    if layers and not as_json:
        _show_layers(judged)
    return 0


def _show_layers(judged: list[blame.Layer]) -> None:
    """A row for each layer, then the worst with their hints."""
    table = table_of("call", "SQNR, dB", "alone, dB", "clipped", "ONNX value")
    for layer in judged:
        figures = [
            _decibels(layer.fidelity.sqnr_db),
            _decibels(layer.isolated_db),
            f"{100 * layer.fidelity.clipped:.2g} %",
        ]
        table.add_row(layer.call, *figures, escape(printable(layer.value)))
    OUT.print(table)
    for layer in blame.worst(judged):
        say(f"{layer.call} alone leaves {_decibels(layer.isolated_db)} dB: {layer.hint}")


def _decibels(level: float | None) -> str:
    return "-" if level is None else f"{level:.1f}"
