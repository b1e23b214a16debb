# SPDX-License-Identifier: Apache-2.0
"""Graph + calibration -> Program, and the empirical bias correction that completes a calibration.

Example: Conv with weights 0.5 and ranges [0, 1] becomes conv with s8 weights, a 15-bit multiplier and shifts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from eightbit import lower, ops
from eightbit.calibrate import MEAN_SAMPLES, Calibration
from eightbit.fixed import Int8, Shifts
from eightbit.graph import Graph
from eightbit.lower.builder import Builder
from eightbit.ops.linear import Linear
from eightbit.program import Call, Program
from eightbit.samples import Samples
from eightbit.simulate import input_batch
from eightbit.weights import product_scales


def quantize(graph: Graph, calibration: Calibration) -> Program:
    """Lower every node with the calibration's ranges and biases."""
    builder = Builder(graph, calibration.ranges, calibration.biases)
    for node in graph.nodes:
        lower.rule(node).lower(builder, node)
    return builder.finish()


def correct_biases(program: Program, calibration: Calibration, samples: Samples) -> Calibration:
    """The calibration with biases that give every linear output its mean in the float model.

    b += mean(conv(x_float, W)) - mean(conv(x_s8, W_s8)) * s_x * s_w, layer after layer, x_s8 from the layers
    before, corrected. Both means are over the same, first samples.
    """
    live = input_batch(program, samples.first(MEAN_SAMPLES))
    last = {tensor: i for i, call in enumerate(program.calls) for tensor in call.inputs}
    biases: dict[str, tuple[float, ...]] = {}
    for position, call in enumerate(program.calls):
        out, op = program.tensors[call.output], ops.get(call.op)
        mean = calibration.means.get(out.value)
        if isinstance(op, Linear) and mean is not None and len(mean) == len(call.consts["bias"]):
            corrected, biases[out.value] = _corrected(program, op, call, live[call.inputs[0]], mean)
        else:
            corrected = call
        live[call.output] = op.evaluate(corrected, [live[name] for name in call.inputs], out.shape)
        for name in call.inputs:
            if last[name] == position:
                live.pop(name, None)
    return calibration.with_biases(biases)


def _corrected(
    program: Program, op: Linear, call: Call, x: Int8, mean: NDArray[np.float64]
) -> tuple[Call, tuple[float, ...]]:
    out = program.tensors[call.output]
    acc = op.accumulate(call, x, out.shape).astype(np.float64)
    shifts = Shifts(call.params.acc_lshift, call.params.out_rshift)
    step = np.array([float(s) for s in product_scales(call.consts["mult"], shifts, out)])
    bias = mean - acc.reshape(-1, acc.shape[-1]).mean(axis=0) * step
    limit = 2.0 ** (29 - shifts.lshift)
    integers = np.clip(np.rint(bias / step), -limit, limit).astype(np.int32)
    consts: Mapping[str, NDArray[np.generic]] = {**call.consts, "bias": integers}
    corrected = Call(call.name, call.op, call.params, call.inputs, call.output, consts, call.origin)
    return corrected, tuple(float(b) for b in bias)
