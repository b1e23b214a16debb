# SPDX-License-Identifier: Apache-2.0
"""What the calibration samples show of the finished network: how exact layers are, how values lie, what comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.ir.program import Program
from eightbit.ptq.calibrate import MEAN_SAMPLES
from eightbit.ptq.calibration import Calibration, Fidelity
from eightbit.ptq.fidelity import Float, Seen, layer_values, pairs, places
from eightbit.ptq.histogram import Histogram
from eightbit.reporting import metrics


@dataclass(frozen=True)
class Observed:
    """By value, how exact it is and how it is spread; and the figures of `metrics.evaluate`.

    `result` is None where the network names no class.
    """

    fidelity: Mapping[str, Fidelity]
    histograms: Mapping[str, Histogram]
    result: Mapping[str, Any] | None


def observe(graph: Graph, calibration: Calibration, program: Program, samples: Samples) -> Observed:
    """Every layer on the samples that biases were corrected on."""
    given, values = samples.first(MEAN_SAMPLES), layer_values(graph, program)
    ends = (program.outputs[0].name, metrics.logits(graph, program)[0]) if metrics.names_class(program) else ()
    whole, watched = places(graph, calibration, list(dict.fromkeys([*values, *ends])))
    seen = {place.value: Seen(place) for place in watched if place.value in values}
    wanted, got = ({end: list[Float]() for end in ends} for _ in range(2))
    for floats, reals in pairs(graph, whole, watched, given):
        for value, one in seen.items():
            one.see(floats[value].astype(np.float64).ravel(), reals[value])
        for end in wanted:
            wanted[end].append(floats[end].astype(np.float64).ravel())
            got[end].append(reals[end])
    return Observed(
        {value: one.fidelity(value in graph.inputs) for value, one in seen.items()},
        {value: one.histogram() for value, one in seen.items()},
        metrics.short(metrics.compared(_rows(wanted, *ends), _rows(got, *ends), given.labels)) if ends else None,
    )


def _rows(kept: Mapping[str, list[Float]], output: str, logits: str) -> metrics.Results:
    return np.stack(kept[output]), np.stack(kept[logits])
