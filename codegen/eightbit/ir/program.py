# SPDX-License-Identifier: Apache-2.0
"""The fixed-point IR: what is computed, in integers, and the rational scales they came from.

Never *where*: targets, packing, strides and offsets are not in it. `program_text` prints and parses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int, int]
Pairs = tuple[tuple[int, int], ...]  # per channel, the least and the largest value


@dataclass(frozen=True)
class Tensor:
    """A stored s8 tensor of (H, W, C): real = scale * (q - zero_point).

    `order` is how its elements follow each other in memory: HWC, or CHW (planes, as NCHW models give them).
    `value` is the ONNX value it stands for.
    """

    name: str
    shape: Shape
    scale: float
    zero_point: int
    value: str
    order: str = "HWC"

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def ratio(self) -> Fraction:
        """The scale as an exact rational: it is a float32 value."""
        return Fraction(self.scale)


@dataclass(frozen=True)
class Proof:
    """What holds for a call whatever the model's input is, per channel (`intervals` makes it, `check` repeats it).

    `range` of its results; `acc` of its accumulators, bias included; of a linear call the exact `weight_scale`.
    """

    range: Pairs
    acc: Pairs | None = None
    weight_scale: tuple[Fraction, ...] | None = None


@dataclass(frozen=True)
class Call:
    """One operator applied: integer `params`, constant arrays by role, and the ONNX nodes it came from."""

    name: str
    op: str
    params: Any
    inputs: tuple[str, ...]
    output: str
    consts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    origin: tuple[str, ...] = ()
    proof: Proof | None = None


@dataclass(frozen=True)
class Port:
    """A model input or output: its ONNX name and shape (batch included), and the tensor that holds it."""

    name: str
    tensor: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A network in fixed point. Calls are in execution order."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tensors: Mapping[str, Tensor]
    calls: tuple[Call, ...]
    macs_model: int = 0  # multiply-accumulates before constant channels were removed; 0: none were

    def readers(self, tensor: str) -> list[Call]:
        return [call for call in self.calls if tensor in call.inputs]

    def producer(self, tensor: str) -> Call | None:
        return next((call for call in self.calls if call.output == tensor), None)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """(call.role, array) of every constant, in the order of the text."""
        for call in self.calls:
            for role, array in call.consts.items():
                yield f"{call.name}.{role}", array


def hull(channels: Pairs) -> tuple[int, int]:
    """The interval that holds those of all channels."""
    return min(low for low, _ in channels), max(high for _, high in channels)


def stored(array: NDArray[np.int8], tensor: Tensor) -> NDArray[np.int8]:
    """A batch [N, H, W, C] as its bytes lie in memory: [N, H*W*C]."""
    if tensor.order == "CHW":
        array = array.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(array).reshape(len(array), -1)


def unstored(memory: NDArray[np.int8], tensor: Tensor) -> NDArray[np.int8]:
    """The inverse of `stored`: [N, H*W*C] bytes to [N, H, W, C]."""
    height, width, channels = tensor.shape
    if tensor.order == "CHW":
        return memory.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
    return memory.reshape(-1, height, width, channels)
