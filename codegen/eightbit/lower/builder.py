# SPDX-License-Identifier: Apache-2.0
"""What all lowerings share: stored values, layouts, scales, and the calls made so far.

A lowered value is a stored tensor and an index array of the ONNX value's shape that says where in that tensor's
memory each element lies. Reshape and Transpose only rearrange the index array; a consumer that needs another
order asks for it (`arranged`), and gets the tensor itself, a free reshape, or a permute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.frontend.graph import Graph, Node
from eightbit.ir.fixed import activation_scale
from eightbit.ir.program import Call, Port, Program, Shape, Tensor
from eightbit.ops import permute, reshape

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Stored:
    """Where a value lies: `index[e]` is the position of ONNX element e in the memory of `tensor`."""

    tensor: str
    index: Index


def natural_shape(shape: tuple[int, ...]) -> Shape:
    """(H, W, C) for an ONNX value stored as it is: the batch axis of 1 is dropped, the last axis is C."""
    dims = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
    if len(dims) <= 1:
        return (1, 1, int(np.prod(dims)))
    return (dims[0], int(np.prod(dims[1:-1])), dims[-1])


class Builder:
    """Collects calls and tensors in execution order.

    `ranges`: of every value that starts a group. By linear node output: `biases`, corrected ones; `roundings`, where
    its weights (channels first, else in the order of the call) are not rounded to the nearest; `exact`, these weights
    in steps, before rounding, which the lowerings collect.
    """

    def __init__(
        self,
        graph: Graph,
        ranges: Mapping[str, tuple[float, float]],
        biases: Mapping[str, tuple[float, ...]],
        roundings: Mapping[str, NDArray[np.bool_]],
    ) -> None:
        self.graph, self.ranges, self.biases, self.roundings = graph, ranges, biases, roundings
        self.exact: dict[str, NDArray[np.float64]] = {}
        self.tensors: dict[str, Tensor] = {}
        self.calls: list[Call] = []
        self.values: dict[str, Stored] = {}
        self._arranged: dict[tuple[str, Shape, bytes], str] = {}
        self.inputs = tuple(self._input(value, i) for i, value in enumerate(graph.inputs))

    def _input(self, value: str, position: int) -> Port:
        shape = self.graph.shapes[value]
        name = "input" if len(self.graph.inputs) == 1 else f"input_{position + 1}"
        scale, zero_point = activation_scale(*self.ranges[value])
        self.tensors[name] = Tensor(name, natural_shape(shape), scale, zero_point, value)
        self.values[value] = Stored(name, np.arange(self.tensors[name].size).reshape(shape))
        return Port(value, name, shape)

    def tensor(self, value: str) -> Tensor:
        """The stored tensor of a value."""
        return self.tensors[self.values[value].tensor]

    def index(self, value: str) -> Index:
        return self.values[value].index

    def scale_for(self, value: str, floor: float) -> tuple[float, int]:
        """Scale and zero point of a new group's value; `floor` is the smallest scale its producer allows."""
        low, high = self.ranges[value]
        scale, zero_point = activation_scale(low, high)
        if scale < floor:
            low, high = min(low, 0.0), max(high, 0.0)
            widen = 255 * floor / max(high - low, 1e-300)
            scale, zero_point = activation_scale(low * widen, high * widen) if high > low else (floor, 0)
        return scale, zero_point

    def emit(
        self,
        op: str,
        params: Any,
        inputs: tuple[str, ...],
        output: Tensor,
        consts: Mapping[str, NDArray[Any]] | None = None,
        node: Node | None = None,
    ) -> str:
        """Append a call. `output` has a provisional name; returns the tensor's name, which is the call's."""
        name = f"{op}_{len(self.calls) + 1}"
        self.tensors[name] = replace(output, name=name)
        origin = (node.label,) if node is not None else ()
        self.calls.append(Call(name, op, params, inputs, name, dict(consts or {}), origin))
        return name

    def bind(self, value: str, tensor: str, index: Index) -> None:
        self.values[value] = Stored(tensor, index.reshape(self.graph.shapes[value]))

    def arranged(self, value: str, want: Index, planes: bool = False) -> Tensor:
        """The tensor whose memory holds the elements `want` [H, W, C] in that order.

        `planes`: the consumer also reads planes (CHW), so elements stored so need no copy.
        """
        tensor = self.tensor(value)
        height, width, channels = want.shape
        shape = (height, width, channels)
        ordered = np.arange(want.size)
        if (want.ravel() == ordered).all():
            return self._reshaped(tensor, shape)
        if planes and (want.transpose(2, 0, 1).ravel() == ordered).all():
            return self._view(tensor, shape, "CHW")
        return self._permuted(value, want)

    def _reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        if tensor.shape == shape:
            return tensor
        untouched = all(tensor.name not in call.inputs for call in self.calls)
        if untouched and tensor.name in (port.tensor for port in self.inputs):
            self.tensors[tensor.name] = replace(tensor, shape=shape)  # the first reader says what an input is
            return self.tensors[tensor.name]
        return self._view(tensor, shape, "HWC")

    def _view(self, tensor: Tensor, shape: Shape, order: str) -> Tensor:
        key = (tensor.name, shape, order.encode())
        if key not in self._arranged:
            out = Tensor("", shape, tensor.scale, tensor.zero_point, tensor.value, order)
            self._arranged[key] = self.emit("reshape", reshape.Params(tensor.order, order), (tensor.name,), out)
        return self.tensors[self._arranged[key]]

    def _permuted(self, value: str, want: Index) -> Tensor:
        found = permute.digits(want)
        if found is None:  # two orders at once: first the value's own, which `transposed` keeps simple
            position = np.empty(want.size, np.int64)
            position[self.index(value).ravel()] = np.arange(want.size)
            self.settle(value)
            return self.arranged(value, position[want])
        tensor, (height, width, channels) = self.tensor(value), want.shape
        key = (tensor.name, (height, width, channels), want.tobytes())
        if key not in self._arranged:
            out = Tensor("", (height, width, channels), tensor.scale, tensor.zero_point, tensor.value)
            params = permute.Params(width, channels, *found)
            self._arranged[key] = self.emit("permute", params, (tensor.name,), out)
        return self.tensors[self._arranged[key]]

    def settle(self, value: str) -> None:
        """Store a value in the order of its ONNX elements."""
        shape = natural_shape(self.graph.shapes[value])
        tensor = self.arranged(value, self.index(value).reshape(shape))
        self.bind(value, tensor.name, np.arange(tensor.size))

    def transposed(self, value: str, axes: tuple[int, ...]) -> Stored:
        """A value with its axes in another order, stored so that one permute can always settle it."""
        if permute.digits(self.index(value).transpose(axes)) is None:
            self.settle(value)
        return Stored(self.values[value].tensor, self.index(value).transpose(axes))

    def image(self, value: str) -> Tensor:
        """A value [1, C, H, W] or [1, C, L] as an image (H, W, C); a signal's length is its height."""
        index = self.index(value)[0]
        index = index[..., None] if index.ndim == 2 else index
        return self.arranged(value, index.transpose(1, 2, 0), planes=True)

    def image_index(self, shape: Shape) -> Index:
        """The index array of a new value [1, C, H, W] (or [1, C, L] after reshaping) stored as `shape`."""
        return np.arange(int(np.prod(shape))).reshape(shape).transpose(2, 0, 1)

    def positions(self, value: str, axis: int) -> Tensor:
        """A value with `axis` as channels and all other axes as rows of one pixel."""
        moved = np.moveaxis(self.index(value), axis, -1)
        return self.arranged(value, moved.reshape(-1, 1, moved.shape[-1]))

    def positions_index(self, shape: tuple[int, ...], axis: int) -> Index:
        """The index array of a new value of ONNX `shape` that is stored with `axis` last."""
        moved = (*np.delete(np.array(shape), axis).tolist(), shape[axis])
        return np.moveaxis(np.arange(int(np.prod(shape))).reshape(moved), -1, axis)

    def finish(self) -> Program:
        """The Program, with every model output in the order its ONNX value has."""
        outputs = []
        for value in self.graph.outputs:
            shape = self.graph.shapes[value]
            want = self.index(value).reshape(natural_shape(shape))
            outputs.append(Port(value, self.arranged(value, want).name, shape))
        return Program(self.graph.name, self.inputs, tuple(outputs), self.tensors, tuple(self.calls))
