# SPDX-License-Identifier: Apache-2.0
"""Graph + calibration -> Program, and the empirical bias corrections that complete a calibration.

Example: Conv with weights 0.5 and ranges [0, 1] becomes conv with s8 weights, a 15-bit multiplier and shifts.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eightbit import lower, ops
from eightbit.calibrate import MEAN_SAMPLES, Calibration, activated
from eightbit.equalize import equalized, factors_of
from eightbit.fixed import Int8, Int64, Shifts, requantise
from eightbit.graph import Graph
from eightbit.lower.builder import Builder
from eightbit.ops.linear import Linear
from eightbit.program import Call, Program
from eightbit.samples import Samples
from eightbit.simulate import input_batch
from eightbit.weights import product_scales

Float = NDArray[np.float64]
FREE_SHARE = 0.25  # a correction after the activation is divided by the share of values it moves, at least this


def quantize(graph: Graph, calibration: Calibration) -> Program:
    """Lower every node with the calibration's gains, ranges and biases."""
    scaled = equalized(graph, calibration.gains)
    builder = Builder(scaled, calibration.ranges, calibration.biases)
    for node in scaled.nodes:
        lower.rule(node).lower(builder, node)
    return builder.finish()


def correct_biases(
    graph: Graph,
    calibration: Calibration,
    samples: Samples,
    after_activation: bool = False,
    watched: Collection[str] = (),
) -> tuple[Calibration, dict[str, Int8]]:
    """The calibration with biases that give every linear output its mean in the float model.

    b += mean(conv(x_float, W)) - mean(conv(x_s8, W_s8)) * s_x * s_w, layer after layer, x_s8 from the layers
    before, corrected; all means are over the same, first samples. `after_activation`: then once more, for the mean
    after rounding and clamps. Also returns the `watched` tensors, as they then are.
    """
    program = quantize(graph, replace(calibration, biases={}))
    means = dict(calibration.means) | {
        value: calibration.means[value] * factors
        for value, factors in factors_of(graph, calibration.gains).items()
        if value in calibration.means
    }
    live = input_batch(program, samples.first(MEAN_SAMPLES))
    kept = {name: live[name] for name in live if name in watched}
    last = {tensor: i for i, call in enumerate(program.calls) for tensor in call.inputs}
    biases: dict[str, tuple[float, ...]] = {}
    for position, call in enumerate(program.calls):
        value, op = program.tensors[call.output].value, ops.get(call.op)
        if isinstance(op, Linear) and value in means and len(means[value]) == len(call.consts["bias"]):
            layer = _Layer(program, op, call, live[call.inputs[0]])
            bias, end = layer.mean_bias(means[value]), activated(graph, value)
            if after_activation and end != value and not saturates(graph, end):
                bias = layer.moved_bias(bias, end, means[end])
            live[call.output], biases[value] = layer.output(bias), tuple(map(float, bias))
        else:
            shape = program.tensors[call.output].shape
            live[call.output] = op.evaluate(call, [live[name] for name in call.inputs], shape)
        if call.output in watched:
            kept[call.output] = live[call.output]
        for name in call.inputs:
            if last[name] == position:
                live.pop(name, None)
    return replace(calibration, biases=biases), kept


def saturates(graph: Graph, value: str) -> bool:
    """Is the range of a value cut on purpose, because its reader cannot tell larger ones apart?"""
    reader = graph.only_reader(value)
    return reader is not None and lower.rule(reader).useful_range(graph, reader) != (-math.inf, math.inf)


class _Layer:
    """A linear call at work on samples: its accumulators without a bias, and what biases make of them."""

    def __init__(self, program: Program, op: Linear, call: Call, x: Int8) -> None:
        self.program, self.call, self.y = program, call, program.tensors[call.output]
        self.acc: Int64 = op.accumulate(call, x, self.y.shape)
        self.shifts = Shifts(call.params.acc_lshift, call.params.out_rshift)
        self.step = np.array([float(s) for s in product_scales(call.consts["mult"], self.shifts, self.y)])

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
