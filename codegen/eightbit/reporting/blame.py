# SPDX-License-Identifier: Apache-2.0
"""Which layers lose most: each one's noise as it is, and what the network's result loses if it alone is rounded.

Example: y = Gemm(Relu(Conv(x))); the Relu's values are rounded to its tensor's steps, ONNX Runtime computes the Gemm of
them in float, and the ratio of signal to noise of y is the Relu's isolated one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from eightbit import ops
from eightbit.errors import InputError
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.ir import program_text
from eightbit.ir.optimize import optimize
from eightbit.ir.program import Program
from eightbit.ptq.calibration import Calibration, Fidelity, check_fits
from eightbit.ptq.fidelity import Place, Seen, layer_values, pairs, places, ratio
from eightbit.reporting.advice import hint
from eightbit.reporting.metrics import logits

WORST = 3  # layers that are named
FloatValues = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Layer:
    """A model input or the output of a call: `call` is its tensor's name, `value` the ONNX value.

    `isolated_db` is None where rounding this value alone changes no result, or reaches none.
    """

    call: str
    op: str
    value: str
    fidelity: Fidelity
    isolated_db: float | None
    hint: str

    def json(self) -> dict[str, Any]:
        found = asdict(self.fidelity)
        return {"call": self.call, "op": self.op, "value": self.value} | found | {"isolated_db": self.isolated_db}


def blame(graph: Graph, calibration: Calibration | None, program: Program, samples: Samples) -> list[Layer]:
    """Every input and every layer, in order, on all samples. `calibration`: what `program` was made with."""
    if calibration is None:
        raise InputError(
            "the layers of this build cannot be judged",
            where="calibration.json",
            why="the build has none: it was made from a program.txt",
            hint="compile the ONNX model with samples, or give --calibration instead of --build",
        )
    check_fits(graph, calibration)
    whole, watched = places(graph, calibration, layer_values(graph, program))
    _check_same(whole, program)
    ends = [logits(graph, program)[0], *graph.outputs]
    seen = {place.value: Seen(place) for place in watched}
    alone = {place.value: _Alone(graph, place, ends) for place in watched}
    for floats, reals in pairs(graph, whole, watched, samples, ends):
        for value, real in reals.items():
            seen[value].see(floats[value].astype(np.float64).ravel(), real)
            alone[value].see(floats)
    calls = _names(program)
    return [
        _layer(program, *calls[value], value, one.fidelity(value in graph.inputs), alone[value].decibels())
        for value, one in seen.items()
    ]


def worst(layers: list[Layer]) -> list[Layer]:
    """Those that cost the result most, the worst first."""
    known = [layer for layer in layers if layer.isolated_db is not None]
    return sorted(known, key=lambda layer: layer.isolated_db or 0.0)[:WORST]


def document(layers: list[Layer]) -> dict[str, Any]:
    """All figures, and what to do about the worst."""
    named = [{"call": layer.call, "isolated_db": layer.isolated_db, "hint": layer.hint} for layer in worst(layers)]
    return {"layers": [layer.json() for layer in layers], "worst": named}


def _layer(program: Program, call: str, op: str, value: str, found: Fidelity, isolated: float | None) -> Layer:
    return Layer(call, op, value, found, isolated, hint(program, program.tensors[call], found))


def _names(program: Program) -> dict[str, tuple[str, str]]:
    """By value, the tensor that first holds it and the operator that makes it."""
    found = {port.name: (port.tensor, "input") for port in program.inputs}
    for call in program.calls:
        if ops.get(call.op).has_code:
            found.setdefault(program.tensors[call.output].value, (call.output, call.op))
    return found


def _check_same(whole: Program, program: Program) -> None:
    """The build must be what model and calibration give: else the figures would be another's."""
    made = replace(optimize(whole), name=program.name)
    same_text = program_text.print_program(made) == program_text.print_program(program)
    if not same_text or program_text.constants_file(made) != program_text.constants_file(program):
        raise InputError(
            "the layers of this build cannot be judged",
            where="program.txt",
            why="it is not what this model and the build's calibration.json give with this version of eightbit",
            hint="compile the model again",
        )


class _Alone:
    """The float network from one value on, run on that value rounded."""

    def __init__(self, graph: Graph, place: Place, ends: list[str]) -> None:
        self.place, self.signal, self.noise, self.model = place, 0.0, 0.0, None
        self.end, part = next(((e, p) for e in ends if (p := suffix(graph, place, e)) is not None), ("", None))
        if part is not None and self.end != place.value:
            self.model = FloatModel(part, [self.end])

    def see(self, floats: FloatValues) -> None:
        """One sample."""
        if not self.end:
            return
        value = self.place.value
        rounded = self.place.rounded(floats[value])
        if self.model is not None:
            made = self.model.run({**floats, value: rounded.astype(np.float32)})[self.end].astype(np.float64)
        else:
            made = rounded
        wanted = floats[self.end].astype(np.float64)
        self.signal += float((wanted**2).sum())
        self.noise += float(((made - wanted) ** 2).sum())

    def decibels(self) -> float | None:
        return ratio(self.signal, self.noise)


def suffix(graph: Graph, place: Place, end: str) -> bytes | None:
    """The model that computes `end` from this value, and from the model's inputs what does not depend on it.

    None: `end` does not depend on it.
    """
    proto = onnx.load_model_from_string(graph.model)
    needed, kept = {end}, list[onnx.NodeProto]()
    for node in reversed(proto.graph.node):
        if needed & set(node.output) and place.value not in node.output:
            kept.insert(0, node)
            needed |= set(node.input)
    if place.value not in needed:
        return None
    inputs = [value for value in proto.graph.input if value.name in needed]
    if place.value not in graph.inputs:
        inputs.append(onnx.helper.make_tensor_value_info(place.value, onnx.TensorProto.FLOAT, place.shape))
    constants = [constant for constant in proto.graph.initializer if constant.name in needed]
    output = onnx.ValueInfoProto(name=end)
    part = onnx.helper.make_graph(kept, proto.graph.name, inputs, [output], constants)
    made = onnx.helper.make_model(part, opset_imports=proto.opset_import, ir_version=proto.ir_version)
    return bytes(made.SerializeToString())
