# SPDX-License-Identifier: Apache-2.0
"""The default recipe: which steps complete a calibration, unless they raise the error on the samples themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import combinations

import numpy as np

from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import Int8, dequantise
from eightbit.ir.program import Program, stored
from eightbit.ptq.calibration import Calibration
from eightbit.ptq.correct import correct_layers
from eightbit.ptq.quantize import quantize

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

    All steps together are taken unless the samples say that they harm; then those of them that serve best.
    """
    wanted = replace(recipe, equalize=recipe.equalize and bool(measured.gains))
    basic = tried(graph, measured, samples, NOTHING)
    if wanted == NOTHING:
        return basic[0]
    whole = tried(graph, measured, samples, wanted)
    if whole[1] <= basic[1] * ALLOWANCE:
        return whole[0]
    found = [basic, *(tried(graph, measured, samples, steps) for steps in _parts(wanted))]
    return min(found, key=lambda pair: pair[1])[0]


def _parts(wanted: Recipe) -> Iterator[Recipe]:
    """Some, but not all, of the wanted steps: the single ones first."""
    names = [field.name for field in fields(wanted) if getattr(wanted, field.name)]
    for count in range(1, len(names)):
        for chosen in combinations(names, count):
            yield replace(NOTHING, **dict.fromkeys(chosen, True))


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
