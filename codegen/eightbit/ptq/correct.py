# SPDX-License-Identifier: Apache-2.0
"""What completes a calibration layer by layer, on the s8 values that the layers before give: roundings and biases.

Example: a layer whose outputs are 0.1 too large on average, because of the weights' rounding, gets a bias 0.1 smaller.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eightbit import lower, ops
from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import Int8, Int64, Shifts, requantise
from eightbit.ir.program import Call, Program
from eightbit.ir.weights import nearest, other, product_scales
from eightbit.ops.linear import Linear, weighted
from eightbit.ptq import rounding
from eightbit.ptq.calibrate import MEAN_SAMPLES, activated
from eightbit.ptq.calibration import Calibration, Moved
from eightbit.ptq.equalize import factors_of
from eightbit.ptq.quantize import lowered
from eightbit.simulate import input_batch

Float = NDArray[np.float64]
FREE_SHARE = 0.25  # a correction after the activation is divided by the share of values it moves, at least this


def correct_layers(
    graph: Graph,
    calibration: Calibration,
    samples: Samples,
    *,
    coordinate_descent: bool = False,
    after_activation: bool = False,
    watched: Collection[str] = (),
) -> tuple[Calibration, dict[str, Int8]]:
    """The calibration with biases that give every linear output its mean in the float model.

    b += mean(conv(x_float, W)) - mean(conv(x_s8, W_s8)) * s_x * s_w, layer after layer, x_s8 from the layers
    before, corrected; all means are over the same, first samples. `coordinate_descent`: weights are first rounded for
    the least error on x_s8. `after_activation`: biases are then corrected once more, for the mean after rounding and
    clamps. Also returns the `watched` tensors, as they then are.
    """
    builder = lowered(graph, replace(calibration, biases={}, roundings={}))
    program, found = builder.finish(), _Corrections(graph, calibration, coordinate_descent, after_activation)
    live = input_batch(program, samples.first(MEAN_SAMPLES))
    kept = {name: live[name] for name in live if name in watched}
    last = {tensor: i for i, call in enumerate(program.calls) for tensor in call.inputs}
    for position, call in enumerate(program.calls):
        inputs, output, op = [live[name] for name in call.inputs], program.tensors[call.output], ops.get(call.op)
        if isinstance(op, Linear) and found.apply(output.value, call):
            made = found.output(_Layer(program, op, call, inputs[0]), builder.exact[output.value])
        else:
            made = op.evaluate(call, inputs, output.shape)
        live[call.output] = made
        if call.output in watched:
            kept[call.output] = made
        for name in call.inputs:
            if last[name] == position:
                live.pop(name, None)
    return found.completed(calibration), kept


class _Corrections:
    """What the layers get, one after the other, by ONNX value."""

    def __init__(
        self, graph: Graph, calibration: Calibration, coordinate_descent: bool, after_activation: bool
    ) -> None:
        self.graph, self.coordinate_descent, self.after_activation = graph, coordinate_descent, after_activation
        self.means = dict(calibration.means) | {
            value: calibration.means[value] * factors
            for value, factors in factors_of(graph, calibration.gains).items()
            if value in calibration.means
        }
        self.biases: dict[str, tuple[float, ...]] = {}
        self.roundings: dict[str, Moved] = {}
        self.decibels: dict[str, float] = {}

    def apply(self, value: str, call: Call) -> bool:
        """Is the mean of this layer's output known, per bias?"""
        return value in self.means and len(self.means[value]) == len(call.consts["bias"])

    def output(self, layer: _Layer, exact: Float) -> Int8:
        """The outputs of a layer with the roundings and biases that it gets here; `exact` weights in steps."""
        value = layer.y.value
        layer = self._descended(layer, exact) if self.coordinate_descent else layer
        bias, end = layer.mean_bias(self.means[value]), activated(self.graph, value)
        if self.after_activation and end != value and not saturates(self.graph, end):
            bias = layer.moved_bias(bias, end, self.means[end])
        self.biases[value] = tuple(map(float, bias))
        return layer.output(bias)

    def _descended(self, layer: _Layer, exact: Float) -> _Layer:
        moved, decibels = layer.descend(exact)
        if not moved.any():
            return layer
        self.roundings[layer.y.value], self.decibels[layer.y.value] = moved.ravel(), round(decibels, 2)
        return layer.rounded(np.where(moved, other(exact), nearest(exact)))

    def completed(self, calibration: Calibration) -> Calibration:
        return replace(calibration, biases=self.biases, roundings=self.roundings, rounding_db=self.decibels)


def saturates(graph: Graph, value: str) -> bool:
    """Is the range of a value cut on purpose, because its reader cannot tell larger ones apart?"""
    reader = graph.only_reader(value)
    return reader is not None and lower.rule(reader).useful_range(graph, reader) != (-math.inf, math.inf)


class _Layer:
    """A linear call at work on samples: its accumulators without a bias, and what biases make of them."""

    def __init__(self, program: Program, op: Linear, call: Call, x: Int8) -> None:
        self.program, self.op, self.call, self.x, self.y = program, op, call, x, program.tensors[call.output]
        self.shifts = Shifts(call.params.acc_lshift, call.params.out_rshift)
        self.step = np.array([float(s) for s in product_scales(call.consts["mult"], self.shifts, self.y)])

    @cached_property
    def acc(self) -> Int64:
        return self.op.accumulate(self.call, self.x, self.y.shape)

    def descend(self, exact: Float) -> tuple[Moved, float]:
        """Which of the weights are better not rounded to the nearest, in the shape of `exact`, and the dB it gains."""
        wanted = self.op.grouped(self.call, exact)
        if wanted.shape[-1] > rounding.TAPS:
            return np.zeros(exact.shape, np.bool_), 0.0
        rows = rounding.chosen_rows(len(self.x) * self.y.shape[0] * self.y.shape[1])
        spread = rounding.covariance(self.op.patches(self.call, self.x, self.y.shape, rows))
        levels = rounding.levels(spread, len(rows), rounding.DAMPING if self.op.mixes else 0.0)
        moved = rounding.descend(wanted, levels)
        made, steps = nearest(wanted), self.step.reshape(wanted.shape[:2])
        before = rounding.error(made, wanted, spread, steps)
        after = rounding.error(np.where(moved, other(wanted), made), wanted, spread, steps)
        return moved.reshape(exact.shape), rounding.decibels(before, after)

    def rounded(self, weights: Float) -> _Layer:
        """The layer with other weights, channels first."""
        packed = np.ascontiguousarray(
            np.moveaxis(weights.astype(np.int8), 0, self.op.channel_axis).reshape(self.call.consts["weights"].shape)
        )
        return _Layer(self.program, self.op, weighted(self.call, packed), self.x)

    def mean_bias(self, mean: Float) -> Float:
        """The bias with which the accumulators have a real `mean`."""
        return np.asarray(mean - self.acc.reshape(-1, self.acc.shape[-1]).mean(axis=0) * self.step)

    def moved_bias(self, bias: Float, end: str, mean: Float) -> Float:
        """`bias`, moved once towards a real `mean` of the value `end`: this output after the clamps that read it."""
        low, high = self.call.params.act_min, self.call.params.act_max
        tensor = self.y
        while tensor.value != end:
            readers = [c for c in self.program.readers(tensor.name) if c.op == "clamp"]
            if not readers:
                return bias  # something else lies between
            low, high = max(low, readers[0].params.act_min), min(high, readers[0].params.act_max)
            tensor = self.program.tensors[readers[0].output]
        low, high = ((bound - self.y.zero_point) * self.y.scale for bound in (low, high))
        exact = self.acc.reshape(-1, len(bias)) * self.step + bias
        made = np.clip(exact, low, high)
        free = np.maximum(FREE_SHARE, ((low < exact) & (exact < high)).mean(axis=0))
        return np.asarray(bias + (mean - made.mean(axis=0)) / free)

    def output(self, bias: Float) -> Int8:
        """The s8 outputs with a real bias."""
        limit = 2.0 ** (29 - self.shifts.lshift)
        integers = np.clip(np.rint(bias / self.step), -limit, limit).astype(np.int64)
        p = self.call.params
        return requantise(
            self.acc + integers, self.call.consts["mult"].astype(np.int64), self.shifts, p.out_c, p.act_min, p.act_max
        )
