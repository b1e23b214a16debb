# SPDX-License-Identifier: Apache-2.0
"""eightbit: ONNX networks to fixed-point C with the same bits on every processor."""

from __future__ import annotations

from typing import Any

from eightbit import blame as _blame
from eightbit import input_ranges as _input_ranges
from eightbit import input_shapes as _input_shapes
from eightbit import load as _load
from eightbit import metrics as _metrics
from eightbit import pipeline as _pipeline
from eightbit import samples as _samples
from eightbit.budgets import Budgets as _Budgets
from eightbit.build import Build
from eightbit.compare import Difference, VerifyResult
from eightbit.errors import BudgetError, EightbitError, InputError
from eightbit.options import Options as _Options
from eightbit.recipe import Recipe as _Recipe

__all__ = [
    "BudgetError",
    "Build",
    "Difference",
    "EightbitError",
    "InputError",
    "VerifyResult",
    "compile",
    "evaluate",
]


def compile(  # noqa: A001 - `eightbit.compile` is the name users expect
    model: _pipeline.Source,
    samples: _samples.Source | None = None,
    *,
    target: str = "generic",
    name: str | None = None,
    io: str = "arena",
    optimize: str = "speed",
    package: str = "cmake",
    equalize: bool = True,
    coordinate_descent: bool = True,
    activation_correction: bool = True,
    input_range: _input_ranges.Given = None,
    shape: _input_shapes.Given = None,
    max_ram: int | None = None,
    max_flash: int | None = None,
    test: _samples.Source | None = None,
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
    recipe = _Recipe(equalize, coordinate_descent, activation_correction)
    options = _Options(target, io, optimize, package)
    limits = _Budgets(max_ram, max_flash)
    return _pipeline.compile_model(
        model,
        samples,
        options,
        name,
        recipe=recipe,
        input_range=input_range,
        shape=shape,
        limits=limits,
        test=test,
    )


def evaluate(
    build: Build,
    model: _pipeline.Source,
    samples: _samples.Source,
    *,
    shape: _input_shapes.Given = None,
    layers: bool = False,
) -> dict[str, Any]:
    """Float accuracy, fixed-point accuracy, agreement and SQNR of a build on samples (with `labels`).

    `shape`: the one it was compiled with, if any. `layers`: also what every layer loses, and what to do about the
    worst. Needs a build that was made with samples.
    """
    graph = _pipeline.float_graph(_load.load(model, shape=shape))
    given = _samples.of_graph(graph, samples)
    _input_ranges.check_saturation(build.program, given)
    found = _metrics.evaluate(graph, build.program, given)
    return found | _blame.document(_blame.blame(graph, build.calibration, build.program, given)) if layers else found
