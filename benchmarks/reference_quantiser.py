# SPDX-License-Identifier: Apache-2.0
"""What others reach on a float model: ONNX Runtime's static quantisation, and the ceilings of 8 bits."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from random_graphs import run_float

Array = npt.NDArray[np.float32]
Samples = dict[str, Array]
MOVES = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Identity"}
NO_ERROR = 200.0  # dB, for equal arrays


def sqnr(want: npt.NDArray[np.floating[Any]], got: npt.NDArray[np.floating[Any]]) -> float:
    """10 log10(sum y^2 / sum e^2) over all samples; both are [n, ...] with as many elements."""
    y = want.astype(np.float64).reshape(len(want), -1)
    noise = float(np.square(y - got.astype(np.float64).reshape(len(got), -1)).sum())
    return min(NO_ERROR, 10 * float(np.log10(np.square(y).sum() / noise))) if noise else NO_ERROR


def producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {name: node for node in model.graph.node for name in node.output}


def origin(made: dict[str, onnx.NodeProto], value: str, through: set[str]) -> str:
    """The value that `value` holds after operators `through`; a graph input at the latest."""
    while value in made and made[value].op_type in through:
        value = made[value].input[0]
    return value


def scored(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model that ends where accuracy is measured: for an output that is a Softmax, at its input."""
    made, ends = producers(model), list[str]()
    for output in model.graph.output:
        value = origin(made, output.name, MOVES)
        softmax = value in made and made[value].op_type == "Softmax" and made[value].input[0] in made
        ends.append(made[value].input[0] if softmax else output.name)
    return model if ends == [v.name for v in model.graph.output] else cut(model, dict.fromkeys(ends))


def range_source(model: onnx.ModelProto, output: str) -> str:
    """The value whose range an output shares: moves and MaxPool keep the scale."""
    return origin(producers(model), output, {*MOVES, "MaxPool"})


def cut(model: onnx.ModelProto, ends: Iterable[str]) -> onnx.ModelProto:
    """The part of a model that computes the values `ends`, as its outputs."""
    known = onnx.shape_inference.infer_shapes(model).graph
    info = {v.name: v for v in [*known.value_info, *known.output]}
    needed, nodes = set(ends), []
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(node)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = [t for t in graph.initializer if t.name in needed]
    for field in ("node", "output", "initializer", "value_info"):
        graph.ClearField(field)
    graph.node.extend(reversed(nodes))
    graph.output.extend(info[name] for name in dict.fromkeys(ends))
    graph.initializer.extend(constants)
    return result


def observe(model: onnx.ModelProto, values: Iterable[str], samples: Samples) -> Samples:
    """What the model's inputs and `values` hold for the samples."""
    inner = [name for name in values if name not in samples]
    return {**samples, **(run_float(cut(model, inner), samples) if inner else {})}


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function as ONNX Runtime's quantiser wants it: opset 13 or later (else no per-channel scales),
    weights as initializers (else they count as activations), C of Gemm as [N] (else it fails on it)."""
    if model.opset_import[0].version < 13:
        model = version_converter.convert_version(model, 13)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    for node in [n for n in graph.node if n.op_type == "Constant"]:
        tensor = helper.get_attribute_value(node.attribute[0])
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)
    constants = {t.name: t for t in graph.initializer}
    for node in graph.node:
        if node.op_type == "Gemm" and len(node.input) > 2:
            flatten_bias(node, constants)
    return result


def flatten_bias(gemm: onnx.NodeProto, constants: dict[str, TensorProto]) -> None:
    transposed = any(a.name == "transB" and a.i for a in gemm.attribute)
    columns = constants[gemm.input[1]].dims[0 if transposed else 1]
    bias = numpy_helper.to_array(constants[gemm.input[2]])
    if bias.ndim < 2 or bias.shape[0] == 1:
        flat = np.broadcast_to(bias.reshape(-1), (columns,))
        constants[gemm.input[2]].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(flat), gemm.input[2]))


class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    def __init__(self, samples: Samples) -> None:
        count = len(next(iter(samples.values())))
        self.rows = iter([{k: v[i : i + 1] for k, v in samples.items()} for i in range(count)])

    def get_next(self) -> Samples | None:
        return next(self.rows, None)


def quantise_static(model: onnx.ModelProto, calibration: Samples) -> onnx.ModelProto:
    """QDQ, per channel, MinMax, s8 activations and weights: what ONNX Runtime does by itself."""
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "quantised.onnx"
        quantize_static(
            prepared(model), path, Reader(calibration), QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )  # fmt: skip
        return onnx.load(path)


def affine(values: Array, softmax: bool = False) -> tuple[np.float32, int]:
    """(scale, zero point) of s8 over the range of `values`, zero included; a Softmax has 1/256 and -128."""
    if softmax:
        return np.float32(1 / 256), -128
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = max(high - low, 1e-30) / 255
    return np.float32(scale), int(np.clip(round(-128 - low / scale), -128, 127))


def rounded(calibration: Array, values: Array) -> Array:
    """Values rounded to s8 with the range that calibration gives."""
    scale, zero = affine(calibration)
    steps: Array = np.clip(np.round(values / scale) + zero, -128, 127) - zero
    return steps * scale


def ceiling(calibration: Array, want: Array) -> float:
    """SQNR of the exact float output after nothing but rounding to s8, its range from calibration."""
    return sqnr(want, rounded(calibration, want))


class Activations:
    """A float model in which chosen values are rounded to s8, all else exact: where the error comes from."""

    def __init__(self, model: onnx.ModelProto, calibration: Samples) -> None:
        self.model, self.calibration = model, calibration
        self.made = producers(model)
        inner = [name for name in self.made if self.stored(name)]
        self.values = [*calibration, *inner]
        self.observed = observe(model, inner, calibration)

    def stored(self, value: str) -> bool:
        """An 8-bit tensor with a range of its own, which a move or what a clamp follows has not."""
        made, after = self.made[value].op_type, [n for n in self.model.graph.node if value in n.input]
        if made in {"Constant", "MaxPool", *MOVES}:
            return False
        if made == "Softmax" or len(after) != 1 or value in [v.name for v in self.model.graph.output]:
            return True
        folds = made in ("Conv", "Gemm") and after[0].op_type == "BatchNormalization"
        return not folds and after[0].op_type not in ("Relu", "Clip")

    def sqnr_with(self, chosen: list[str], samples: Samples) -> dict[str, float]:
        """SQNR by output when the values `chosen` are rounded and nothing else is."""
        want, got = run_float(self.model, samples), run_float(self.rounding(chosen), samples)
        return {name: sqnr(want[name], got[name]) for name in want}

    def rounding(self, chosen: list[str]) -> onnx.ModelProto:
        """Q and DQ after each chosen value: readers of an input are redirected, producers write aside."""
        result = onnx.ModelProto()
        result.CopyFrom(self.model)
        graph = result.graph
        graph.ClearField("node")
        renamed = {name: f"{name}/s8" for name in self.calibration if name in chosen}
        for name, copy in renamed.items():
            self.add_pair(graph, name, name, copy)
        for original in self.model.graph.node:
            node = graph.node.add()
            node.CopyFrom(original)
            node.input[:] = [renamed.get(name, name) for name in node.input]
            value = node.output[0]
            if value in chosen:
                node.output[0] = f"{value}/float"
                self.add_pair(graph, value, node.output[0], value)
        return result

    def add_pair(self, graph: onnx.GraphProto, value: str, source: str, target: str) -> None:
        softmax = value in self.made and self.made[value].op_type == "Softmax"
        scale, zero = affine(self.observed[value], softmax)
        names = [f"{value}/scale", f"{value}/zero"]
        graph.initializer.append(numpy_helper.from_array(np.array(scale, np.float32), names[0]))
        graph.initializer.append(numpy_helper.from_array(np.array(zero, np.int8), names[1]))
        graph.node.append(helper.make_node("QuantizeLinear", [source, *names], [f"{value}/q"]))
        graph.node.append(helper.make_node("DequantizeLinear", [f"{value}/q", *names], [target]))

    def explain(self) -> str:
        """The value that costs most when it alone is rounded, by its operator."""
        alone = {name: min(self.sqnr_with([name], self.calibration).values()) for name in self.values}
        worst = min(alone, key=lambda name: alone[name])
        op = self.made[worst].op_type if worst in self.made else "input"
        return f"worst alone: {op} {worst[:24]!r} with {alone[worst]:.1f}"
