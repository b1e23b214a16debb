# SPDX-License-Identifier: Apache-2.0
"""A QDQ graph in the making: what operators say of themselves in float ONNX, rounded by QuantizeLinear."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from eightbit.ir.fixed import S8_MAX, S8_MIN, Shifts
from eightbit.ir.program import Call, Port, Program, Tensor
from eightbit.ir.weights import product_scales
from eightbit.ir.windows import reach

OPSET, IR_VERSION = 17, 8
TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


def value_names(program: Program) -> dict[str, str]:
    """The ONNX value of every tensor: its own name, with a suffix where a model input or output is called so."""
    taken = {port.name for port in (*program.inputs, *program.outputs)}
    return {tensor: unused(tensor, "_s8", taken) for tensor in program.tensors}


def unused(stem: str, suffix: str, taken: set[str]) -> str:
    """`stem`, with as many suffixes as make it new; it is then taken."""
    while stem in taken:
        stem += suffix
    taken.add(stem)
    return stem


def float32(values: Sequence[Fraction]) -> NDArray[np.float32]:
    return np.array([float(value) for value in values], np.float32)


class QdqGraph:
    """An ONNX graph in the making. Every tensor (H, W, C) of the Program is an int8 value [1, C, H, W].

    `stem` starts the names of the values between them.
    """

    def __init__(self, program: Program) -> None:
        self.program, self.stem = program, ""
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self._scales: dict[str, tuple[str, str]] = {}
        self.names = value_names(program)
        self._taken = {port.name for port in (*program.inputs, *program.outputs)} | set(self.names.values())

    def tensor(self, name: str) -> Tensor:
        return self.program.tensors[name]

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; returns its output."""
        value = unused(f"{self.stem}/{op_type}", "_", self._taken)
        self.nodes.append(helper.make_node(op_type, inputs, [value], name=value, **attributes))
        return value

    def constant(self, role: str, array: NDArray[Any]) -> str:
        name = unused(f"{self.stem}/{role}", "_", self._taken)
        self.constants[name] = onnx.numpy_helper.from_array(array, name)
        return name

    def integers(self, role: str, values: Sequence[int]) -> str:
        return self.constant(role, np.array(values, np.int64))

    def number(self, role: str, value: float) -> str:
        return self.constant(role, np.array(value, np.float32))

    def rename(self, value: str, name: str) -> None:
        """Give the newest value another name."""
        assert self.nodes[-1].output[0] == value
        self.nodes[-1].output[0] = name

    def scale(self, tensor: str) -> tuple[str, str]:
        """Scale and zero point of a tensor as constants."""
        if tensor not in self._scales:
            t = self.tensor(tensor)
            scale, zero_point = np.array(t.scale, np.float32), np.array(t.zero_point, np.int8)
            self._scales[tensor] = self.constant("scale", scale), self.constant("zero_point", zero_point)
        return self._scales[tensor]

    def real(self, tensor: str, value: str = "") -> str:
        """The real values of a tensor [1, C, H, W], or of a `value` that holds its elements in another shape."""
        return self.node("DequantizeLinear", value or self.names[tensor], *self.scale(tensor))

    def rounded(self, call: Call, real: str) -> str:
        """Real values as s8 in the scale of the call's output, clamped as its params say."""
        value = self.node("QuantizeLinear", real, *self.scale(call.output))
        limits = [getattr(call.params, "act_min", S8_MIN), getattr(call.params, "act_max", S8_MAX)]
        return value if limits == [S8_MIN, S8_MAX] else self.clip(value, *limits)

    def clip(self, value: str, low: int, high: int) -> str:
        limits = self.constant("min", np.array(low, np.int8)), self.constant("max", np.array(high, np.int8))
        return self.node("Clip", value, *limits)

    def define(self, tensor: str, value: str) -> None:
        """The newest value, s8 [1, C, H, W], is the tensor."""
        self.rename(value, self.names[tensor])

    def memory(self, tensor: str, shape: Sequence[int]) -> str:
        """The s8 elements of a tensor in the order of its memory, in some shape."""
        value = self.names[tensor]
        if self._interleaved(tensor):
            value = self.node("Transpose", value, perm=TO_NHWC)
        return self.node("Reshape", value, self.integers("shape", shape))

    def define_memory(self, tensor: str, value: str) -> None:
        """An s8 value in the order of the tensor's memory, in any shape, is the tensor."""
        height, width, channels = self.tensor(tensor).shape
        if self._interleaved(tensor):
            value = self.node("Reshape", value, self.integers("shape", (1, height, width, channels)))
            value = self.node("Transpose", value, perm=TO_NCHW)
        else:
            value = self.node("Reshape", value, self.integers("shape", (1, channels, height, width)))
        self.define(tensor, value)

    def _interleaved(self, tensor: str) -> bool:
        """Does the memory order differ from [C, H, W]?"""
        t = self.tensor(tensor)
        return t.order == "HWC" and t.shape[2] > 1 and t.shape[0] * t.shape[1] > 1

    def weights(self, call: Call, weights: NDArray[np.int8]) -> tuple[str, str]:
        """Real weights, output channels first, and the real bias of a linear call."""
        shifts = Shifts(call.params.acc_lshift, call.params.out_rshift)
        units = product_scales(call.consts["mult"], shifts, self.tensor(call.output))
        step = self.tensor(call.inputs[0]).ratio
        weight_scale = self.constant("weight_scale", float32([unit / step for unit in units]))
        bias_scale = self.constant("bias_scale", float32(units))
        return (
            self.node("DequantizeLinear", self.constant("weights", weights), weight_scale, axis=0),
            self.node("DequantizeLinear", self.constant("bias", call.consts["bias"]), bias_scale, axis=0),
        )

    def window(self, call: Call) -> tuple[str, dict[str, list[int]]]:
        """The real image that a windowed call slides over, and its ONNX attributes with explicit pads."""
        p, out = call.params, self.tensor(call.output).shape
        below = (out[0] - 1) * p.stride_y + reach(p) - p.pad_top - p.in_h
        right = (out[1] - 1) * p.stride_x + (p.kw - 1) * p.dil_x + 1 - p.pad_left - p.in_w
        x = self.real(call.inputs[0])
        if below <= -p.stride_y or right <= -p.stride_x:  # or ONNX would count more windows than the call
            ends = self.integers("ends", (p.in_h + min(below, 0), p.in_w + min(right, 0)))
            x = self.node("Slice", x, self.integers("starts", (0, 0)), ends, self.integers("axes", (2, 3)))
        return x, {
            "kernel_shape": [p.kh, p.kw],
            "strides": [p.stride_y, p.stride_x],
            "dilations": [p.dil_y, p.dil_x],
            "pads": [p.pad_top, p.pad_left, max(below, 0), max(right, 0)],
        }

    def convolution(self, call: Call, weights: NDArray[np.int8], groups: int) -> None:
        """conv and depthwise; `weights` [out, in / groups, kh, kw]."""
        x, window = self.window(call)
        y = self.node("Conv", x, *self.weights(call, weights), group=groups, **window)
        self.define(call.output, self.rounded(call, y))

    def quantise(self, port: Port) -> None:
        """A model input."""
        self.stem = port.tensor
        self.define_memory(port.tensor, self.node("QuantizeLinear", port.name, *self.scale(port.tensor)))

    def dequantise(self, port: Port) -> None:
        """A model output; one that is a model input too stays what was fed."""
        if port.name not in {source.name for source in self.program.inputs}:
            self.stem = port.tensor
            self.rename(self.real(port.tensor, self.memory(port.tensor, port.shape)), port.name)

    def model(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            self.program.name or "model",
            [_value_info(port) for port in self.program.inputs],
            [_value_info(port) for port in self.program.outputs],
            list(self.constants.values()),
            value_info=[self._stored_info(name) for name in self.names],
        )
        imports = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=imports, ir_version=IR_VERSION, producer_name="eightbit")

    def _stored_info(self, tensor: str) -> onnx.ValueInfoProto:
        height, width, channels = self.tensor(tensor).shape
        shape = (1, channels, height, width)
        return helper.make_tensor_value_info(self.names[tensor], TensorProto.INT8, shape)


def _value_info(port: Port) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(port.name, TensorProto.FLOAT, port.shape)
