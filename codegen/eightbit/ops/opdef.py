# SPDX-License-Identifier: Apache-2.0
"""What an operator of the fixed-point IR is: integer parameters, exact NumPy reference, rows, cost.

One file per operator in this folder defines `OP`, an instance of a subclass of `OpDef`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from eightbit.fixed import S8_MAX, S8_MIN, Int8, Int64
from eightbit.program import Call, Shape, Tensor

if TYPE_CHECKING:
    from eightbit.export import QdqGraph


@dataclass(frozen=True)
class Rows:
    """Which input rows the output rows y .. y+n-1 need: y*stride - before .. (y+n-1)*stride - before + reach - 1.

    `whole`: all input rows, contiguous in memory. `reduces`: a launch takes input rows, not output rows.
    """

    stride: int = 1
    before: int = 0
    reach: int = 1
    whole: bool = False
    reduces: bool = False


class OpDef(ABC):
    """An operator. `Params` fields annotated with `cfields` types become the C struct `e8_<name>_s8_params`.

    Other fields (str) say what the integers stand for; they are printed, and never reach C.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Any]]
    consts: ClassVar[Mapping[str, str]] = {}  # role -> NumPy dtype
    bits: ClassVar[str] = ""  # what the kernel computes, for comments and docs
    has_code: ClassVar[bool] = True  # False: input and output are one place in memory

    @abstractmethod
    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        """The definition of the result: batches [N, H, W, C] to a batch [N, *shape], exactly."""

    @abstractmethod
    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        """The output shape that params and input imply; None where the output itself defines it."""

    @abstractmethod
    def qdq(self, graph: QdqGraph, call: Call) -> None:
        """Append float ONNX nodes with the same meaning, from the scales and not from the integers."""

    def macs(self, call: Call, shape: Shape) -> int:
        """Multiply-accumulates that the C executes, padding taps included."""
        return 0

    def rows(self, call: Call) -> Rows:
        return Rows()

    def accumulator_bound(self, call: Call, low: int, high: int) -> Int64 | None:
        """Per channel, the largest |accumulator| for inputs in [low, high]; None: no accumulator."""
        return None

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        """What is wrong with a call, beyond what is checked for every operator."""
        return []


def farthest(zero_point: int, low: int = S8_MIN, high: int = S8_MAX) -> int:
    """max |x - zp| for x in [low, high]."""
    return max(abs(low - zero_point), abs(high - zero_point))


def float_type_for(bound: int) -> type[np.floating[Any]]:
    """The float type in which sums of integer products up to `bound` are exact."""
    return np.float32 if bound < 2**24 else np.float64
