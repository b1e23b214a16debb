# SPDX-License-Identifier: Apache-2.0
"""The default recipe: which steps complete a calibration, unless they raise the error on the samples themselves."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from eightbit.calibrate import Calibration
from eightbit.fixed import Int8, dequantise
from eightbit.graph import Graph
from eightbit.program import Program, stored
from eightbit.quantize import correct_biases, quantize
from eightbit.samples import Samples

ALLOWANCE = 10**0.025  # 0.25 dB: two roundings of one network differ by as much


@dataclass(frozen=True)
class Recipe:
    """The steps that may be left out. Ranges and bias correction are always there."""

    equalize: bool = True
    activation_correction: bool = True


def complete(graph: Graph, measured: Calibration, samples: Samples, recipe: Recipe) -> Calibration:
    """A measured calibration with corrected biases and, where they help, gains.

    All steps together are taken unless the samples say that they harm; then whichever of them serves best alone.
    """
    plain = replace(measured, gains={})
    scaled = measured if recipe.equalize else plain
    if not recipe.activation_correction and not scaled.gains:
        return _tried(graph, plain, samples, False)[0]
    basic = _tried(graph, plain, samples, False)
    whole = _tried(graph, scaled, samples, recipe.activation_correction)
    if whole[1] <= basic[1] * ALLOWANCE:
        return whole[0]
    found = [basic]
    if recipe.activation_correction and scaled.gains:
        found += [_tried(graph, scaled, samples, False), _tried(graph, plain, samples, True)]
    return min(found, key=lambda pair: pair[1])[0]


def _tried(graph: Graph, found: Calibration, samples: Samples, after_activation: bool) -> tuple[Calibration, float]:
    program = quantize(graph, replace(found, biases={}))
    watched = watch(program, found)
    done, made = correct_biases(graph, found, samples, after_activation, watched)
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
