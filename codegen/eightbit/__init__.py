# SPDX-License-Identifier: Apache-2.0
"""eightbit: ONNX networks to fixed-point C with the same bits on every processor."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from eightbit.errors import BudgetError, EightbitError, InputError

if TYPE_CHECKING:
    from eightbit import input_ranges as _input_ranges
    from eightbit import input_shapes as _input_shapes
    from eightbit import pipeline as _pipeline
    from eightbit import samples as _samples
    from eightbit.build import Build
    from eightbit.compare import Difference, VerifyResult
else:
    _HOMES = {"Build": "build", "Difference": "compare", "VerifyResult": "compare"}

    def __getattr__(name: str) -> Any:
        """What needs NumPy and onnx is loaded when it is asked for: the command line can be interrupted by then."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


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
    from eightbit import budgets, options, pipeline, recipe  # noqa: PLC0415 - see __getattr__

    steps = recipe.Recipe(equalize, coordinate_descent, activation_correction)
    chosen = options.Options(target, io, optimize, package)
    limits = budgets.Budgets(max_ram, max_flash)
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
    from eightbit import blame, input_ranges, load, metrics, pipeline  # noqa: PLC0415 - see __getattr__
    from eightbit.samples import of_graph, origin  # noqa: PLC0415

    graph = pipeline.float_graph(load.load(model, shape=shape))
    given = of_graph(graph, samples)
    input_ranges.check_saturation(build.program, given, origin(samples))
    found = metrics.evaluate(graph, build.program, given)
    return found | blame.document(blame.blame(graph, build.calibration, build.program, given)) if layers else found
