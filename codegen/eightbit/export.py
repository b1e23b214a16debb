# SPDX-License-Identifier: Apache-2.0
"""Program -> float ONNX with QuantizeLinear and DequantizeLinear (QDQ), which any runtime can run.

Its meaning comes from scales and zero points alone. Nothing of the integer requantisation is in it but the exact
weight scales that the multipliers stand for, so it can judge the integers.
"""

from __future__ import annotations

import os
from pathlib import Path

import onnx

from eightbit import ops
from eightbit.errors import InputError, reason
from eightbit.ir.program import Program
from eightbit.qdq import QdqGraph


def to_onnx(program: Program) -> onnx.ModelProto:
    """The model: float32 inputs and outputs under their ONNX names and shapes; `value_names` names the s8 values."""
    graph = QdqGraph(program)
    for port in program.inputs:
        graph.quantise(port)
    for call in program.calls:
        graph.stem = call.name
        ops.get(call.op).qdq(graph, call)
    for port in program.outputs:
        graph.dequantise(port)
    return graph.model()


def write(program: Program, output: str | Path) -> None:
    """Write the model to a file, completely or not at all."""
    content = to_onnx(program).SerializeToString(deterministic=True)
    path = Path(output)
    aside = path.parent / f".{path.name}.{os.getpid()}"
    try:
        try:
            aside.write_bytes(content)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            "cannot write the exported model",
            where=str(path),
            why=reason(error),
            hint="name a file in an existing folder that can be written, on a disk with room",
        ) from error
