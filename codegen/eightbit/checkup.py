# SPDX-License-Identifier: Apache-2.0
"""Can this model be compiled, and what will it cost? Answered without samples, with every obstacle at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eightbit import pipeline, target
from eightbit.estimate import Estimate, Fit, estimate, sketch
from eightbit.frontend import input_shapes, load
from eightbit.frontend.obstacles import Obstacle, ObstacleError
from eightbit.ir.program import Program
from eightbit.options import Options
from eightbit.planning import budgets

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Checkup:
    """`estimate` is None where the model itself is the obstacle. `inputs`, `outputs`: shapes, where they are known."""

    name: str
    notes: tuple[str, ...]
    obstacles: tuple[Obstacle, ...]
    estimate: Estimate | None
    inputs: Shapes = field(default_factory=dict)
    outputs: Shapes = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        figures = self.estimate.json() if self.estimate is not None else {}
        found = [obstacle.json() for obstacle in self.obstacles]
        ports = {"inputs": _lists(self.inputs), "outputs": _lists(self.outputs)}
        return {"name": self.name, **ports, "obstacles": found, "notes": list(self.notes), **figures}


def _lists(shapes: Shapes) -> dict[str, list[int]]:
    return {name: list(shape) for name, shape in shapes.items()}


def check_model(model: pipeline.Source, target_name: str | None = None, shape: input_shapes.Given = None) -> Checkup:
    """Raises InputError for what is no model. With a target, that the model is too large for it is an obstacle too."""
    boards = [target.load(name) for name in ([target_name] if target_name else target.names())]
    try:
        loaded = load.load(model, shape=shape)
        simple, obstacles = pipeline.surveyed(loaded)
    except ObstacleError as error:
        return Checkup(error.model, (), error.obstacles, None)
    known = simple.shapes
    inputs, outputs = ({v: known[v] for v in names if v in known} for names in (simple.inputs, simple.outputs))
    made, findings = (None, obstacles) if obstacles else sketch(simple)
    if made is None:
        return Checkup(loaded.name, loaded.notes, tuple(findings), None, inputs, outputs)
    found = estimate(simple, made, boards)
    too_small = _too_small(made.likely, found.targets[0]) if target_name else []
    return Checkup(loaded.name, loaded.notes, tuple(too_small), found, inputs, outputs)


def _too_small(program: Program, fit: Fit) -> Sequence[Obstacle]:
    """What a target lacks."""
    board = fit.target
    broken = budgets.broken(program, Options(board.name), fit.likely, budgets.of_target(board))
    return [Obstacle(error.where, error.why, error.hint) for error in broken]
