# SPDX-License-Identifier: Apache-2.0
"""The stages in order, each checked before the next: the only file that knows all of them.

load -> simplify -> calibrate -> quantize -> optimize -> select -> schedule -> plan -> emit
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx

from eightbit import lower, target
from eightbit.build import Build, open_folder
from eightbit.emission import emit
from eightbit.emission.folder import as_written, read_manifest
from eightbit.errors import InputError
from eightbit.frontend import graph, input_shapes, load, samples
from eightbit.frontend.obstacles import Obstacle, ObstacleError
from eightbit.frontend.simplify import simplify
from eightbit.ir import check, program_text
from eightbit.ir.optimize import optimize
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning import budgets, needs, plan
from eightbit.planning.schedule import schedule
from eightbit.planning.select import select
from eightbit.ptq import calibrate, input_ranges
from eightbit.ptq.calibration import Calibration, check_fits, read
from eightbit.ptq.quantize import quantize
from eightbit.ptq.recipe import Recipe, complete
from eightbit.reporting import metrics, notes
from eightbit.reporting.observe import observe
from eightbit.version import NUMERICS, tool_version

STAGES = ("load", "simplify", "calibrate", "quantize", "optimize", "select", "schedule", "plan", "emit")
DEFAULT, DEFAULT_OPTIONS = Recipe(), Options()
Source = str | Path | bytes | onnx.ModelProto
Dump = Callable[[str, str], None]  # stage, its result as text


def ignore(stage: str, text: str) -> None:
    """A Dump that keeps nothing."""


def compile_model(
    model: Source,
    calibration: samples.Source | None,
    options: Options = DEFAULT_OPTIONS,
    name: str | None = None,
    dump: Dump = ignore,
    recipe: Recipe = DEFAULT,
    input_range: input_ranges.Given = None,
    shape: input_shapes.Given = None,
    limits: budgets.Budgets = budgets.NONE,
    test: samples.Source | None = None,
) -> Build:
    """Compile a float ONNX model (with samples or a calibration.json), or a saved program.txt.

    `test`: samples that the build is compared with the float model on, for the report.
    """
    target.load(options.target)  # a wrong name is refused before anything is read
    if isinstance(model, str | Path) and Path(model).suffix == ".txt":
        _refuse_settled(str(model), calibration, recipe, input_range, shape)
        if test is not None:
            raise InputError(
                "--test needs the float model",
                where=str(model),
                why="a program.txt has only the fixed-point network, and there is nothing to compare it with",
                hint="eightbit evaluate MODEL --build FOLDER --samples test.npz",
            )
        program = program_text.load_program(model)
        return back_end(replace(program, name=name or program.name), _learnt(Path(model)), (), options, dump, limits)
    loaded = load.load(model, name, shape)
    dump("load", "\n".join([f"model {loaded.name!r}", *loaded.notes]) + "\n")
    simple = float_graph(loaded)
    tests = None if test is None else samples.of_graph(simple, test)  # read first: what is wrong with them is said soon
    program, found, said = front_end(simple, calibration, dump, recipe, input_range)
    build = back_end(program, found, (*loaded.notes, *said), options, dump, limits)
    return build if tests is None else _tested(build, simple, tests, samples.origin(test))


def _tested(build: Build, simple: graph.Graph, tests: samples.Samples, where: str) -> Build:
    """The build with figures of test samples, and notes on what is doubtful of them."""
    metric = metrics.fitting(build.program, tests)
    found = metrics.measure(simple, build.program, tests, where, metric)
    doubts = found.pop("notes")
    return replace(build, tested=metrics.short(found), notes=(*build.notes, *doubts))


def _learnt(program: Path) -> Calibration | None:
    """What the samples taught, where it lies beside a program.txt and neither was changed since."""
    beside = program.with_name("calibration.json")
    written = as_written(program.parent, (program.name, program.with_suffix(".npz").name, beside.name))
    return read(beside) if written else None


def front_end(
    simple: graph.Graph,
    calibration: samples.Source | None,
    dump: Dump,
    recipe: Recipe,
    input_range: input_ranges.Given,
) -> tuple[Program, Calibration, tuple[str, ...]]:
    """Float graph -> optimised Program, what was learnt for it, and what was done on the way."""
    dump("simplify", graph.text(simple))
    found = learn(simple, calibration, recipe, input_range)
    dump("calibrate", found.json())
    whole = _checked(quantize(simple, found), "quantize")
    dump("quantize", program_text.print_program(whole))
    program = _checked(optimize(whole), "optimize")
    dump("optimize", program_text.print_program(program))
    return program, found, notes.of(found, whole, program)


def float_graph(loaded: load.Loaded) -> graph.Graph:
    """The simplified graph; every obstacle in it is refused at once, before samples are read."""
    simple, obstacles = surveyed(loaded)
    if obstacles:
        raise ObstacleError(loaded.name, obstacles)
    return simple


def surveyed(loaded: load.Loaded) -> tuple[graph.Graph, list[Obstacle]]:
    """The simplified graph, and all that stands in the way of compiling it."""
    try:
        simple = simplify(loaded)
    except InputError as error:
        if loaded.obstacles:  # sizes that are not known may well be why
            raise ObstacleError(loaded.name, loaded.obstacles) from error
        raise
    if not loaded.obstacles:
        return simple, lower.refusals(simple)
    told, sizes = {found.where for found in loaded.obstacles}, graph.size_arithmetic(simple)
    further = [found for found in lower.refusals(simple) if found.where not in told | sizes]
    return simple, [*loaded.obstacles, *further]


def learn(
    simple: graph.Graph,
    source: samples.Source | None,
    recipe: Recipe = DEFAULT,
    input_range: input_ranges.Given = None,
) -> Calibration:
    """Ranges, gains, roundings and corrected biases, from samples or from a saved calibration."""
    if source is None:
        raise InputError(
            "a float model needs calibration samples",
            where=simple.name,
            why="ranges of its values are not in the model",
            hint="--calibration samples.npz: about 100 typical inputs, keyed by input name",
        )
    fixed = input_ranges.resolve(simple, input_range)
    if isinstance(source, str | Path) and Path(source).suffix == ".json":
        _same_recipe(source, recipe)
        found = read(source)
        check_fits(simple, found)
        if any(found.ranges[name] != pair for name, pair in fixed.items()):
            raise _settled(str(source), "--input-range", "it has another range, and its biases were made for that")
        return _bounded(found)
    given = samples.of_graph(simple, source)
    input_ranges.check_samples(fixed, given)
    found = calibrate.calibrate(simple, given)
    found = _bounded(replace(found, ranges=input_ranges.chosen(found.ranges, simple.inputs, fixed)))
    _checked(quantize(simple, found), "quantize")
    found = complete(simple, found, given, recipe)
    done = optimize(quantize(simple, found))
    seen = observe(simple, found, done, given)
    return replace(found, fidelity=seen.fidelity, histograms=seen.histograms, result=seen.result)


def _refuse_settled(
    where: str,
    calibration: samples.Source | None,
    recipe: Recipe,
    input_range: input_ranges.Given,
    shape: input_shapes.Given,
) -> None:
    """Refuse what a program.txt has settled: it would be ignored."""
    for given, option, part in (
        (calibration is not None, "--calibration", "what samples taught is"),
        (recipe != DEFAULT, "an option that leaves out a step", "the results of all steps are"),
        (input_range is not None, "--input-range", "the scales are"),
        (shape is not None, "--shape", "the shapes are"),
    ):
        if given:
            raise _settled(where, option, f"{part} part of a program")


def _settled(where: str, option: str, why: str) -> InputError:
    return InputError(
        f"{option} comes too late",
        where=where,
        why=why,
        hint="compile the ONNX model with samples (.npz) again, or drop the option",
    )


def _same_recipe(source: str | Path, recipe: Recipe) -> None:
    if recipe != DEFAULT:
        raise InputError(
            "a finished calibration cannot be made by another recipe",
            where=str(source),
            why="its gains, roundings and biases are numbers already; steps are left out where samples are given",
            hint="calibrate with samples (.npz) again, or drop the options that leave out steps",
        )


def _bounded(found: Calibration) -> Calibration:
    for value, numbers in (*found.ranges.items(), *found.biases.items()):
        if any(abs(number) > lower.LARGEST for number in numbers):
            raise InputError(
                f"value {value!r} is too large for fixed point",
                where="calibration",
                why=f"its range or bias leaves +-{lower.LARGEST:g}",
                hint="check the weights and the scaling of the samples",
            )
    return found


def back_end(
    program: Program,
    found: Calibration | None,
    said: tuple[str, ...],
    options: Options,
    dump: Dump,
    limits: budgets.Budgets = budgets.NONE,
) -> Build:
    """Program -> C. A board's memories are limits too, of which nothing is left for the rest of the firmware."""
    chosen = target.load(options.target)
    selection = select(program, chosen, options.optimize)
    dump("select", selection.text())
    steps = schedule(program, selection)
    dump("schedule", steps.text())
    layout = plan.plan(program, selection, steps, options.io)
    dump("plan", plan.text(program, selection, layout))
    wants = needs.of_layout(program, selection, layout)
    for limit in (limits, budgets.of_target(chosen)):
        budgets.enforce(program, options, wants, limit)
    emission = emit.emit(program, selection, steps, layout)
    dump("emit", emission.files[f"{emission.name}.c"])
    return Build(program, chosen, selection, steps, layout, emission, found, said, options, tool_version())


def reopen(path: str | Path) -> Build:
    """The build of a folder, made again with its options, or that of a program.txt with those that need no choice."""
    source = Path(path)
    if source.is_dir():
        program, options = open_folder(source)
        stated, made = read_manifest(source), back_end(program, None, (), options, ignore)
        version = str(stated.get("version", "not known"))
        return replace(made, version=version, numerics=stated.get("numerics", NUMERICS))
    return back_end(program_text.load_program(source), None, (), DEFAULT_OPTIONS, ignore)


def _checked(program: Program, stage: str) -> Program:
    findings = check.check(program)
    if findings:
        raise InputError(
            "the model cannot be expressed in fixed point",
            where=f"after {stage}",
            why="; ".join(findings[:5]),
            hint="sizes must fit 16 bits; if yours do, please report this with the model",
        )
    return program
