# SPDX-License-Identifier: Apache-2.0
"""The Program in NumPy: the oracle that every kernel, compiler and processor must reproduce bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import Int8, dequantise, quantise
from eightbit.ir.program import Program, stored, unstored

CHUNK = 32  # samples at a time: bounds memory, keeps matrix products large


def input_batch(program: Program, samples: Samples) -> dict[str, Int8]:
    """Float samples quantised half up, as batches [N, H, W, C] by input tensor."""
    batch = {}
    for port in program.inputs:
        tensor = program.tensors[port.tensor]
        memory = quantise(samples.arrays[port.name], tensor.scale, tensor.zero_point)
        batch[tensor.name] = unstored(memory.reshape(samples.count, -1), tensor)
    return batch


def run(program: Program, inputs: Mapping[str, Int8]) -> dict[str, Int8]:
    """All tensors of a batch, [N, H, W, C] each."""
    live = dict(inputs)
    for call in program.calls:
        shape = program.tensors[call.output].shape
        live[call.output] = ops.get(call.op).evaluate(call, [live[name] for name in call.inputs], shape)
    return live


def memory(program: Program, inputs: Mapping[str, Int8]) -> dict[str, Int8]:
    """All tensors of a batch as they lie in memory, [N, bytes] each."""
    return {name: stored(array, program.tensors[name]) for name, array in run(program, inputs).items()}


def chunks(program: Program, inputs: Mapping[str, Int8]) -> Iterator[dict[str, Int8]]:
    """`run` over pieces of a batch, so that its tensors need not all be in memory."""
    count = len(next(iter(inputs.values())))
    for start in range(0, count, CHUNK):
        yield run(program, {name: array[start : start + CHUNK] for name, array in inputs.items()})


def outputs(program: Program, inputs: Mapping[str, Int8]) -> dict[str, Int8]:
    """Model outputs by ONNX name, [N, *ONNX shape]."""
    parts: dict[str, list[Int8]] = {port.name: [] for port in program.outputs}
    for tensors in chunks(program, inputs):
        for port in program.outputs:
            memory = stored(tensors[port.tensor], program.tensors[port.tensor])
            parts[port.name].append(memory.reshape(len(memory), *port.shape))
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def real_outputs(program: Program, integers: Mapping[str, Int8]) -> dict[str, NDArray[np.float64]]:
    """Outputs as the real values they stand for."""
    tensors = {port.name: program.tensors[port.tensor] for port in program.outputs}
    return {name: dequantise(q, tensors[name].scale, tensors[name].zero_point) for name, q in integers.items()}
