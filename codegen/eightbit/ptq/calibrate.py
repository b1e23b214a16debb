# SPDX-License-Identifier: Apache-2.0
"""Ranges, gains and mean outputs, measured on samples in one pass.

Values that must share a scale are measured where their group starts (lower/groups.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.errors import InputError
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.lower import rule
from eightbit.lower.groups import roots, useful_range
from eightbit.ptq.calibration import Calibration
from eightbit.ptq.channels import Channels

TAIL = 1e-5  # share of the values of a convolution or a sum that may leave its range on each side
TAIL_POSITIONS = 100  # only where an image is large enough for a share that small to mean anything
MEAN_SAMPLES = 128  # both sides of the bias correction see the same, first samples
RESULT_ELEMENTS = 1 << 22  # of results that are kept to judge the steps of the recipe by


def calibrate(graph: Graph, samples: Samples) -> Calibration:
    """One pass of the float model over all samples. `gains` are those that equalisation proposes."""
    linear = _linear_values(graph)
    observers = {value: _Extremes(_dropped(graph, value, samples.count)) for value in roots(graph)}
    channels, results = Channels(graph, observers), _Results(graph, samples.count)
    sums: dict[str, NDArray[np.float64]] = {}
    model = FloatModel(graph.model, [*observers, *linear, *channels.values, *results.values])
    for index, made in enumerate(model.each(samples)):
        values = made | samples.row(index)
        for value, array in made.items():
            _same_shape(graph, value, array)
        for value, observer in observers.items():
            observer.see(values[value])
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below, by name
            channels.see(values)
            for value, axis in linear.items() if index < MEAN_SAMPLES else ():
                sums[value] = sums.get(value, 0.0) + _channel_means(values[value], axis)
        results.see(values)
    seen = min(samples.count, MEAN_SAMPLES)
    ranges = {value: _useful(graph, value, observer) for value, observer in observers.items()}
    means = {value: total / seen for value, total in sums.items()}
    gains = channels.gains(ranges)
    gain_db = channels.decibels(gains, ranges)
    expected = results.arrays()
    return Calibration(ranges, gains=gains, gain_db=gain_db, means=means, expected=expected, count=samples.count)


def _linear_values(graph: Graph) -> dict[str, int]:
    """The channel axis of every linear node's output, and of what it is after the clamps that alone read it."""
    found = {}
    for node in graph.nodes:
        axis = rule(node).channel_axis
        if axis is not None:
            found[node.outputs[0]] = axis(graph, node)
            found[activated(graph, node.outputs[0])] = axis(graph, node)
    return found


def activated(graph: Graph, value: str) -> str:
    """A value after the Relus and Clips that alone read it."""
    while (reader := graph.only_reader(value)) is not None and reader.op_type in ("Relu", "Clip"):
        value = reader.outputs[0]
    return value


class _Results:
    """The model's outputs, and what their softmax reads, of the first samples."""

    def __init__(self, graph: Graph, samples: int) -> None:
        ends = [graph.producers[v] for v in graph.outputs if v in graph.producers]
        logits = [node.inputs[0] for node in ends if node.op_type == "Softmax"]
        self.values = [v for v in dict.fromkeys([*graph.outputs, *logits]) if v in graph.producers]
        size = sum(math.prod(graph.shapes[value]) for value in self.values)
        self.count = min(samples, MEAN_SAMPLES, max(1, RESULT_ELEMENTS // max(1, size)))
        self.rows: dict[str, list[NDArray[np.float32]]] = {value: [] for value in self.values}

    def see(self, values: Mapping[str, NDArray[np.float32]]) -> None:
        for value, rows in self.rows.items():
            if len(rows) < self.count:
                rows.append(values[value].ravel())

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        return {value: np.stack(rows) for value, rows in self.rows.items()}


class _Extremes:
    """The smallest and largest values of a stream, `drop` of each left out; exact, in constant memory."""

    def __init__(self, drop: int) -> None:
        self.keep, self.seen = drop + 1, 0
        self.low: NDArray[np.float32] = np.empty(0, np.float32)
        self.high: NDArray[np.float32] = np.empty(0, np.float32)

    def see(self, values: NDArray[np.float32]) -> None:
        flat, keep = values.ravel(), self.keep
        self.seen += flat.size
        if keep == 1:
            flat = np.array([flat.min(), flat.max()])
        low, high = np.concatenate([self.low, flat]), np.concatenate([self.high, flat])
        self.low = np.sort(np.partition(low, min(keep, low.size) - 1)[:keep])
        self.high = np.sort(np.partition(high, max(0, high.size - keep))[-keep:])

    def range(self, margin: bool) -> tuple[float, float]:
        """[low, high]; with `margin` wider by 1/sqrt(n) of its width on each side.

        The largest of n further values lies beyond the largest of n seen by about 1 / (4 ln n) of their range (for
        normal values). Where n is small the clipped ones are a large share, and cost more than a coarser step.
        """
        low, high = float(self.low[-1]), float(self.high[0])
        wider = (high - low) / math.sqrt(self.seen) if margin else 0.0
        return min(0.0, low - wider), max(0.0, high + wider)


def _dropped(graph: Graph, value: str, samples: int) -> int:
    """How many values of a convolution or a sum may be clipped on each side; none where it is a result."""
    producer, shape = graph.producers.get(value), graph.shapes[value]
    if producer is None or producer.op_type not in ("Conv", "Add") or math.prod(shape[2:]) < TAIL_POSITIONS:
        return 0
    last = value
    while (reader := graph.only_reader(last)) is not None and rule(reader).keeps_scale:
        last = reader.outputs[0]
    if last in graph.outputs or any(reader.op_type == "Softmax" for reader in graph.readers.get(last, [])):
        return 0
    return int(samples * math.prod(shape) * TAIL)


def _useful(graph: Graph, value: str, observer: _Extremes) -> tuple[float, float]:
    """The observed range, less what its readers cannot tell apart, rounded outward."""
    low, high = useful_range(graph, value, *observer.range(margin=value not in graph.inputs))
    if not math.isfinite(low) or not math.isfinite(high):
        raise InputError(
            f"value {value!r} of the float model is not finite on the samples",
            where="calibration",
            why=f"its range is [{low}, {high}]",
            hint="check the weights and the scaling of the samples",
        )
    return outward(low, -1), outward(high, 1)


def outward(value: float, direction: int) -> float:
    """Round to 12 significant bits away from the range, so that float runtimes agree on it."""
    if value == 0.0:
        return 0.0
    mantissa, exponent = math.frexp(value)
    scaled = mantissa * 4096
    return math.ldexp(math.ceil(scaled) if direction > 0 else math.floor(scaled), exponent - 12)


def _channel_means(values: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    moved = np.moveaxis(values.astype(np.float64), max(axis, -values.ndim), -1)
    return np.asarray(moved.reshape(-1, moved.shape[-1]).mean(axis=0))


def _same_shape(graph: Graph, value: str, array: NDArray[Any]) -> None:
    if array.shape != graph.shapes[value]:
        raise InputError(
            f"value {value!r} has another shape at run time",
            where="calibration",
            why=f"ONNX shape inference says {list(graph.shapes[value])}, ONNX Runtime {list(array.shape)}",
            hint="export the model again with a recent exporter",
        )
