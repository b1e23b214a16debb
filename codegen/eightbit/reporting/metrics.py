# SPDX-License-Identifier: Apache-2.0
"""Float against fixed point on samples: accuracies, agreement and signal-to-quantisation-noise ratio.

Accuracies and agreement are fractions on the argmax of the first output (lowest index wins ties);
sqnr_db = 10 log10(sum y^2 / sum e^2) over all samples at the input of the last softmax, or at the output.
An autoencoder is judged by its reconstruction: mean((x - y)^2) of the float input x and the output y.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit import simulate
from eightbit.errors import InputError
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.graph import Graph
from eightbit.frontend.samples import Samples
from eightbit.ir.fixed import Int8, dequantise
from eightbit.ir.program import Call, Program, stored
from eightbit.ptq import input_ranges
from eightbit.ptq.fidelity import ratio

Results = tuple[NDArray[Any], NDArray[Any]]  # the first output and the logits, [n, size] each


def evaluate(graph: Graph, program: Program, samples: Samples) -> dict[str, Any]:
    """The metrics of a program against the float graph it came from; accuracies are None without labels."""
    port = program.outputs[0]
    value, call = logits(graph, program)
    model = FloatModel(graph.model, [port.name, value])
    float_out, float_logits, fixed_out, fixed_logits = [], [], [], []
    for result in model.each(samples):
        float_out.append(result[port.name].ravel())
        float_logits.append(result[value].ravel())
    for tensors in simulate.chunks(program, simulate.input_batch(program, samples)):
        fixed_out.append(stored(tensors[port.tensor], program.tensors[port.tensor]))
        fixed_logits.append(_real(program, tensors, call.inputs[0] if call is not None else port.tensor))
    wanted = np.stack(float_out), np.stack(float_logits)
    return compared(wanted, (np.concatenate(fixed_out), np.concatenate(fixed_logits)), samples.labels)


def compared(wanted: Results, got: Results, labels: NDArray[np.int64] | None) -> dict[str, Any]:
    """The metrics of float and of fixed-point results; only the order of the latter's output values counts."""
    best_float, best_fixed = wanted[0].argmax(axis=1), got[0].argmax(axis=1)
    return {
        "samples": len(best_float),
        "accuracy_float": _accuracy(best_float, labels),
        "accuracy_fixed": _accuracy(best_fixed, labels),
        "agreement": float((best_float == best_fixed).mean()),
        "sqnr_db": sqnr(wanted[1], got[1]),
    }


def doubts(result: dict[str, Any], program: Program) -> list[str]:
    """That the float network itself is hardly better than guessing: no fault of fixed point, but of the samples."""
    accuracy, classes = result.get("accuracy_float"), math.prod(program.outputs[0].shape)
    chance = 1 / classes
    if accuracy is None or classes < 2 or accuracy >= chance + (1 - chance) / 4:
        return []
    told = f"the float network itself is right on {100 * accuracy:.1f} % of the samples only"
    return [f"{told}: are they scaled, and their channels ordered, as it was trained, and are the labels theirs?"]


def reconstruction(graph: Graph, program: Program, samples: Samples) -> dict[str, Any]:
    """Mean squared reconstruction error of an autoencoder, float and fixed, and the SQNR of its output."""
    source, port = _autoencoder(program), program.outputs[0]
    x = samples.arrays[source].reshape(samples.count, -1).astype(np.float64)
    wanted = [result[port.name].ravel() for result in FloatModel(graph.model, [port.name]).each(samples)]
    outputs = simulate.real_outputs(program, simulate.outputs(program, simulate.input_batch(program, samples)))
    want, got = np.stack(wanted), outputs[port.name].reshape(samples.count, -1)
    return {
        "samples": samples.count,
        "reconstruction_float": float(((x - want) ** 2).mean()),
        "reconstruction_fixed": float(((x - got) ** 2).mean()),
        "sqnr_db": sqnr(want, got),
    }


def reconstructs(program: Program) -> bool:
    """Whether the one output has as many elements as the one input."""
    ins, outs = ([math.prod(port.shape) for port in ports] for ports in (program.inputs, program.outputs))
    return len(ins) == 1 and ins == outs


def names_class(program: Program) -> bool:
    """Whether the position of its largest value can be what the first output says: it is one vector of scores."""
    sizes = [size for size in program.outputs[0].shape if size > 1]
    return len(sizes) == 1 and not reconstructs(program)


def _autoencoder(program: Program) -> str:
    """The name of the one input that the one output reconstructs."""
    if reconstructs(program):
        return program.inputs[0].name
    shapes = {port.name: port.shape for port in (*program.inputs, *program.outputs)}
    raise InputError(
        "the model reconstructs nothing",
        where=", ".join(f"{name!r} {list(shape)}" for name, shape in shapes.items()),
        why="reconstruction needs one input and one output with as many elements",
        hint="leave --metric at accuracy, or give an autoencoder",
    )


METRICS: dict[str, Callable[[Graph, Program, Samples], dict[str, Any]]] = {
    "accuracy": evaluate,
    "reconstruction": reconstruction,
}


def measure(graph: Graph, program: Program, samples: Samples, where: str, metric: str = "accuracy") -> dict[str, Any]:
    """The figures of a metric, and as `notes` what is doubtful of the samples. `where` they are, for messages.

    Refuses another model's program, and samples of another scale.
    """
    check_same_model(graph, program)
    input_ranges.check_saturation(program, samples, where)
    result = METRICS[metric](graph, program, samples)
    return result | {"notes": [*doubts(result, program), *input_ranges.doubts(program, samples)]}


def fitting(program: Program, samples: Samples) -> str:
    """The metric that fits: an autoencoder's without labels is its reconstruction."""
    return "reconstruction" if reconstructs(program) and samples.labels is None else "accuracy"


def short(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures to as many digits as every machine gives, for files."""
    return {key: float(f"{one:.6g}") if isinstance(one, float) else one for key, one in figures.items()}


def logits(graph: Graph, program: Program) -> tuple[str, Call | None]:
    """The float value at which noise is measured, and the softmax call that reads it, if there is one."""
    value = program.outputs[0].name
    node = graph.producers.get(value)
    tensor = program.tensors[program.outputs[0].tensor]
    call = next((c for c in program.calls if c.op == "softmax" and c.output == tensor.name), None)
    if node is None or node.op_type != "Softmax" or call is None:
        return value, None
    if program.tensors[call.inputs[0]].size != math.prod(graph.shapes[node.inputs[0]]):
        return value, None
    return node.inputs[0], call


def _real(program: Program, tensors: dict[str, Int8], name: str) -> NDArray[np.float64]:
    tensor = program.tensors[name]
    return dequantise(stored(tensors[name], tensor), tensor.scale, tensor.zero_point)


def _accuracy(best: NDArray[np.int64], labels: NDArray[np.int64] | None) -> float | None:
    return None if labels is None else float((best == labels).mean())


def sqnr(reference: NDArray[Any], got: NDArray[Any]) -> float | None:
    """10 log10(sum y^2 / sum e^2); None when nothing differs (the ratio is infinite) or the reference is zero."""
    signal = float((reference.astype(np.float64) ** 2).sum())
    return ratio(signal, float(((reference - got).astype(np.float64) ** 2).sum()))


def check_same_model(graph: Graph, program: Program) -> None:
    """Refuse a build of another model: its inputs and outputs would not match."""
    wanted = {value: graph.shapes[value] for value in (*graph.inputs, *graph.outputs)}
    given = {port.name: port.shape for port in (*program.inputs, *program.outputs)}
    if wanted != given:
        raise InputError(
            "the build is of another model",
            where=f"inputs and outputs {sorted(given)}",
            why=f"the model has {sorted(wanted)}, or other shapes",
            hint="compile this model, or give the model the build was made from",
        )
