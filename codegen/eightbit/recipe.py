# SPDX-License-Identifier: Apache-2.0
"""The default recipe: which steps complete a calibration, unless they raise the error on the samples themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from eightbit.calibration import Calibration
from eightbit.fixed import Int8, dequantise
from eightbit.graph import Graph
from eightbit.program import Program, stored
from eightbit.quantize import correct_layers, quantize
from eightbit.samples import Samples

ALLOWANCE = 10**0.025  # 0.25 dB: two roundings of one network differ by as much


@dataclass(frozen=True)
class Recipe:
    """The steps that may be left out. Ranges and bias correction are always there."""

    equalize: bool = True
    coordinate_descent: bool = True
    activation_correction: bool = True


NOTHING = Recipe(equalize=False, coordinate_descent=False, activation_correction=False)
Tried = tuple[Calibration, float]  # and the error of the results on the samples


def complete(graph: Graph, measured: Calibration, samples: Samples, recipe: Recipe) -> Calibration:
    """A measured calibration with corrected biases and, where they help, gains and roundings.

    Gains and the correction after the activation are taken together unless the samples say that they harm; then
    whichever of them serves best alone. Coordinate descent comes on top, and is taken unless it harms in its turn.
    """

    def attempt(steps: Recipe) -> Tried:
        return tried(graph, measured, samples, steps)

    equalize = recipe.equalize and bool(measured.gains)
    steps, best = _unharmed(attempt, replace(recipe, equalize=equalize, coordinate_descent=False))
    if recipe.coordinate_descent:
        descended = attempt(replace(steps, coordinate_descent=True))
        best = descended if descended[1] <= best[1] * ALLOWANCE else best
    return best[0]


def _unharmed(attempt: Callable[[Recipe], Tried], wanted: Recipe) -> tuple[Recipe, Tried]:
    """The wanted steps, or what is left of them where together they harm."""
    whole = attempt(wanted)
    if wanted == NOTHING:
        return wanted, whole
    basic = attempt(NOTHING)
    if whole[1] <= basic[1] * ALLOWANCE:
        return wanted, whole
    alone = [replace(NOTHING, equalize=True), replace(NOTHING, activation_correction=True)]
    found = [(steps, attempt(steps)) for steps in alone if wanted not in alone]
    return min([(NOTHING, basic), *found], key=lambda pair: pair[1][1])


def tried(graph: Graph, measured: Calibration, samples: Samples, steps: Recipe) -> Tried:
    """A measured calibration completed by just these steps."""
    found = measured if steps.equalize else replace(measured, gains={}, gain_db={})
    program = quantize(graph, replace(found, biases={}))
    watched = watch(program, found)
    done, made = correct_layers(
        graph,
        found,
        samples,
        coordinate_descent=steps.coordinate_descent,
        after_activation=steps.activation_correction,
        watched=watched,
    )
    return done, sum(_noise(program, found, tensor, value, made[tensor]) for tensor, value in watched.items())


def watch(program: Program, found: Calibration) -> dict[str, str]:
    """The tensors that errors are measured at, and the float values they stand for: results, before their softmax."""
    watched, sizes = {}, {value: rows.shape[1] for value, rows in found.expected.items()}
    for port in program.outputs:
        call = program.producer(port.tensor)
        before = program.tensors[call.inputs[0]] if call is not None and call.op == "softmax" else None
        if before is not None and sizes.get(before.value) == before.size:
            watched[before.name] = before.value
        elif port.name in sizes:
            watched[port.tensor] = port.name
    return watched


def _noise(program: Program, found: Calibration, name: str, value: str, made: Int8) -> float:
    """Error over signal, in energy."""
    tensor, expected = program.tensors[name], found.expected[value].astype(np.float64)
    real = dequantise(stored(made[: len(expected)], tensor), tensor.scale, tensor.zero_point)
    return float(((real - expected) ** 2).sum() / max(float((expected**2).sum()), 1e-300))
