# SPDX-License-Identifier: Apache-2.0
"""How well each layer's s8 output stands for its float value, and what the figures say about the cause.

Example: 18 dB, and the 2 % of its values that leave the calibrated range make 90 % of the noise: it needs more samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eightbit import ops, simulate
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import S8_MAX, S8_MIN, dequantise, quantise
from eightbit.ir.program import Program, Tensor, stored
from eightbit.lower.groups import useful_range
from eightbit.ptq import histogram
from eightbit.ptq.calibration import Calibration, Fidelity
from eightbit.ptq.equalize import factors_of
from eightbit.ptq.histogram import Histogram
from eightbit.ptq.quantize import lowered

Float = NDArray[np.float64]
SMALL = 16  # a value is small below this part of its range
DIGITS = 3  # of the figures: what the order of float sums may change does not reach a file


@dataclass(frozen=True)
class Place:
    """Where an ONNX value lies in a Program that has all its channels, elements in ONNX order.

    `index` [size] are the positions in the memory of `tensor`, `gains` [size] what its elements are multiplied by,
    `useful` the ends of what its readers can tell apart: a Relu alone after it makes all below 0 equal.
    """

    value: str
    tensor: Tensor
    index: NDArray[np.int64]
    gains: Float
    shape: tuple[int, ...]
    useful: tuple[float, float]

    def real(self, memory: NDArray[np.int8]) -> Float:
        """What bytes [n, bytes] of the tensor stand for, in the units of the float model: [n, size]."""
        return dequantise(memory[:, self.index], self.tensor.scale, self.tensor.zero_point) / self.gains

    def rounded(self, values: NDArray[np.float32]) -> Float:
        """Float values, in the shape of the value, as the tensor would hold them."""
        flat = values.astype(np.float64).ravel() * self.gains
        s8 = quantise(flat, self.tensor.scale, self.tensor.zero_point)
        return (dequantise(s8, self.tensor.scale, self.tensor.zero_point) / self.gains).reshape(values.shape)

    def steps(self, flat: Float) -> Float:
        """Float values in steps of the tensor, neither rounded nor clipped."""
        return flat * self.gains / self.tensor.scale + self.tensor.zero_point


def layer_values(graph: Graph, program: Program) -> list[str]:
    """The inputs and the outputs of layers, in order."""
    made = [program.tensors[call.output].value for call in program.calls if ops.get(call.op).has_code]
    return list(dict.fromkeys([*graph.inputs, *made]))


def places(graph: Graph, calibration: Calibration, values: Sequence[str]) -> tuple[Program, list[Place]]:
    """The Program before channels were left out, and where the values lie in it."""
    builder = lowered(graph, calibration)
    whole, factors = builder.finish(), factors_of(graph, calibration.gains)
    found = []
    for value in values:
        size, given = math.prod(graph.shapes[value]), factors.get(value, np.ones(1))
        where = builder.values[value]
        tensor, index = whole.tensors[where.tensor], where.index.ravel()
        gains, useful = np.repeat(given, size // len(given)), useful_range(graph, value, -math.inf, math.inf)
        found.append(Place(value, tensor, index, gains, graph.shapes[value], useful))
    return whole, found


def pairs(
    graph: Graph, whole: Program, watched: list[Place], samples: Samples, also: Sequence[str] = ()
) -> Iterator[tuple[dict[str, NDArray[np.float32]], dict[str, Float]]]:
    """By value, float values and what simulated bytes stand for, sample by sample; of `also` only the former."""
    values = (*(place.value for place in watched), *also)
    model = FloatModel(graph.model, [value for value in values if value not in graph.inputs])
    index = 0
    for tensors in simulate.chunks(whole, simulate.input_batch(whole, samples)):
        memory = {place.value: stored(tensors[place.tensor.name], place.tensor) for place in watched}
        for row in range(len(next(iter(memory.values())))):
            given = samples.row(index)
            real = {place.value: place.real(memory[place.value][row : row + 1])[0] for place in watched}
            yield given | model.run(given), real
            index += 1


class Seen:
    """Sums over the samples of one value."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.signal = self.noise = self.noise_outside = 0.0
        self.count = self.below = self.above = self.nonzero = self.small = 0
        self.bins = np.zeros(histogram.BINS, np.int64)
        self.largest: Float = np.zeros(len(place.index))
        tensor = place.tensor
        ends = (abs(S8_MIN - tensor.zero_point), abs(S8_MAX - tensor.zero_point))
        self.threshold = max(ends) * tensor.scale / SMALL

    def see(self, flat: Float, real: Float) -> None:
        """One sample."""
        flat = np.clip(flat, *self.place.useful)
        square, size, steps = (real - flat) ** 2, np.abs(flat), self.place.steps(flat)
        below, above = histogram.outside(steps)
        self.signal += float((flat**2).sum())  # not flat @ flat: threads of BLAS cost more than so short a sum
        self.noise += float(square.sum())
        self.noise_outside += float(square[below | above].sum())
        self.count += flat.size
        self.below += int(np.count_nonzero(below))
        self.above += int(np.count_nonzero(above))
        self.bins += histogram.count(steps)
        self.nonzero += int(np.count_nonzero(flat))
        self.small += int(np.count_nonzero((flat != 0) & (size * self.place.gains < self.threshold)))
        self.largest = np.maximum(self.largest, size)

    def fidelity(self, is_input: bool) -> Fidelity:
        """What the samples so far say."""
        level = ratio(self.signal, self.noise)
        return Fidelity(
            sqnr_db=None if level is None else round(level, 2),
            clipped=_short((self.below + self.above) / self.count),
            clipped_noise=_short(self.noise_outside / self.noise) if self.noise > 0 else 0.0,
            spread=_short(self._spread(is_input)),
            small=_short(self.small / self.nonzero) if self.nonzero else 0.0,
        )

    def histogram(self) -> Histogram:
        """How the values so far are spread."""
        return histogram.histogram(self.bins, self.below, self.above)

    def _spread(self, is_input: bool) -> float:
        """The largest maximum of a channel over the median one; of an input, along whatever axis it is most uneven."""
        shape = self.place.shape
        largest = (self.largest * self.place.gains).reshape(shape)
        axes = [axis for axis in range(1, len(shape)) if shape[axis] > 2]
        ratios = [1.0]
        for axis in axes if is_input else axes[:1]:
            maxima = np.moveaxis(largest, axis, 0).reshape(shape[axis], -1).max(axis=1)
            live = maxima[maxima > 0]
            ratios += [float(live.max() / np.median(live))] if live.size else []
        return max(ratios)


def ratio(signal: float, noise: float) -> float | None:
    """Two energies as decibels; None where the ratio is zero or infinite."""
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def _short(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")
