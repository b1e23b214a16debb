# SPDX-License-Identifier: Apache-2.0
"""What `import eightbit` offers: compile a model, and compare a build with it."""

from __future__ import annotations

from typing import Any

from eightbit import pipeline
from eightbit.build import Build
from eightbit.frontend import input_shapes, load
from eightbit.frontend.samples import Source as SampleSource
from eightbit.frontend.samples import of_graph, origin
from eightbit.options import Options
from eightbit.planning.budgets import Budgets
from eightbit.ptq import input_ranges
from eightbit.ptq.recipe import Recipe
from eightbit.reporting import blame, metrics


def compile(  # noqa: A001 - `eightbit.compile` is the name users expect
    model: pipeline.Source,
    samples: SampleSource | None = None,
    *,
    target: str = "generic",
    name: str | None = None,
    io: str = "arena",
    optimize: str = "speed",
    package: str = "cmake",
    equalize: bool = True,
    coordinate_descent: bool = True,
    activation_correction: bool = True,
    input_range: input_ranges.Given = None,
    shape: input_shapes.Given = None,
    max_ram: int | None = None,
    max_flash: int | None = None,
    test: SampleSource | None = None,
) -> Build:
    """Compile a model to fixed-point C.

    `model`: a path to .onnx (or to a build's program.txt), its bytes, or an onnx.ModelProto. `samples`: about 100
    typical inputs as .npz, dictionary or array (float32 [n, ...] per input, without the batch axis), or the path of a
    calibration.json. `io`: inputs and outputs lie in the context ("arena") or in buffers of the caller ("caller").
    `optimize`: "speed", or "size", which compiles each kernel once. `package`: a folder for CMake ("cmake"), or one
    for the Arduino IDE and PlatformIO ("arduino"). `equalize`, `coordinate_descent`, `activation_correction`: steps of
    the quantisation that may be left out where samples are given. `input_range`: (low, high) of the only input, or a
    dictionary by input name; inputs without one get what the samples have, and exactly 0..255 or 0..1 where that is
    near. `shape`: sizes of the only input, or by input name, where the model leaves them open. `max_ram`, `max_flash`:
    limits in bytes, as the memories of a board are (stack and code apart). `test`: samples of which the report says
    the accuracy, float and fixed (with `labels`).
    Raises EightbitError, whose text says what, where, why and what to do.
    """
    steps = Recipe(equalize, coordinate_descent, activation_correction)
    chosen = Options(target, io, optimize, package)
    limits = Budgets(max_ram, max_flash)
    return pipeline.compile_model(
        model,
        samples,
        chosen,
        name,
        recipe=steps,
        input_range=input_range,
        shape=shape,
        limits=limits,
        test=test,
    )


def evaluate(
    build: Build,
    model: pipeline.Source,
    samples: SampleSource,
    *,
    shape: input_shapes.Given = None,
    layers: bool = False,
) -> dict[str, Any]:
    """Float accuracy, fixed-point accuracy, agreement and SQNR of a build on samples (with `labels`).

    `notes` are what is doubtful of the samples. `shape`: the one it was compiled with, if any. `layers`: also what
    every layer loses, and what to do about the worst. Needs a build that was made with samples.
    """
    graph = pipeline.float_graph(load.load(model, shape=shape))
    given = of_graph(graph, samples)
    found = metrics.measure(graph, build.program, given, origin(samples))
    return found | blame.document(blame.blame(graph, build.calibration, build.program, given)) if layers else found
