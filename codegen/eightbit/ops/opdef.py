# SPDX-License-Identifier: Apache-2.0
"""What an operator of the fixed-point IR is: integer parameters, exact NumPy reference, rows, cost.

One file per operator in this folder defines `OP`, an instance of a subclass of `OpDef`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.fixed import S8_MAX, S8_MIN, Int8, Int64, dequantise
from eightbit.ir.program import Call, Pairs, Shape, Tensor
from eightbit.ir.rescale import Ends, Rescale
from eightbit.ir.ties import Float, from_half
from eightbit.qdq import QdqGraph


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


@dataclass(frozen=True)
class Interval:
    """Per channel, the least and the largest of some integers: int64 [channels] each."""

    low: Int64
    high: Int64

    @classmethod
    def over(cls, low: Int64 | Int8, high: Int64 | Int8) -> Interval:
        """The hull over all positions of least and largest values [N, H, W, C]."""
        return cls(low.min(axis=(0, 1, 2)).astype(np.int64), high.max(axis=(0, 1, 2)).astype(np.int64))

    @classmethod
    def whole(cls, channels: int, low: int = S8_MIN, high: int = S8_MAX) -> Interval:
        """The same interval for every channel."""
        return cls(np.full(channels, low, np.int64), np.full(channels, high, np.int64))

    def pairs(self) -> Pairs:
        return tuple(zip(self.low.tolist(), self.high.tolist(), strict=True))

    def images(self, shape: Shape) -> Int8:
        """Two images [2, *shape] of s8 values: everywhere the least, everywhere the largest."""
        both = np.stack([self.low, self.high]).astype(np.int8)
        return np.asarray(np.broadcast_to(both[:, None, None, :], (2, *shape)))


class OpDef(ABC):
    """An operator. `Params` fields annotated with `cfields` types become the C struct `e8_<name>_s8_params`.

    Other fields (str) say what the integers stand for; they are printed, and never reach C.
    """

    name: ClassVar[str]
    Params: ClassVar[type[Any]]
    consts: ClassVar[Mapping[str, str]] = {}  # role -> NumPy dtype
    bits: ClassVar[str] = ""  # what the kernel computes, for comments and docs
    has_code: ClassVar[bool] = True  # False: input and output are one place in memory
    channelwise: ClassVar[bool] = False  # params.ch channels, each made from the same channel of every input

    @abstractmethod
    def evaluate(self, call: Call, inputs: Sequence[Int8], shape: Shape) -> Int8:
        """The definition of the result: batches [N, H, W, C] to a batch [N, *shape], exactly."""

    @abstractmethod
    def out_shape(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> Shape | None:
        """The output shape that params and input imply; None where the output itself defines it."""

    @abstractmethod
    def qdq(self, graph: QdqGraph, call: Call) -> None:
        """Append float ONNX nodes with the same meaning, from the scales and not from the integers."""

    def accumulate(self, call: Call, x: Int8, shape: Shape) -> Int64 | None:
        """The accumulators [N, *shape], if it has any; of a linear operator without its biases."""
        return None

    def real(self, call: Call, inputs: Sequence[Float]) -> Float | None:
        """The exact result for real values [N, H, W, C]; None: it rounds nothing, or `from_half` knows better."""
        return None

    def from_half(self, call: Call, inputs: Sequence[Int8], ins: Sequence[Tensor], out: Tensor) -> Float | None:
        """How far from half way between two integers its exact outputs are, broadcastable; None: it rounds nothing."""
        exact = self.real(call, [dequantise(q, t.scale, t.zero_point) for q, t in zip(inputs, ins, strict=True)])
        return None if exact is None else from_half(exact / out.scale)

    def constants_off(self, call: Call) -> float:
        """How far, in output steps, rounded multipliers or table entries may move an output before it is rounded."""
        return 0.0

    def macs(self, call: Call, shape: Shape) -> int:
        """Multiply-accumulates that the C executes, padding taps included."""
        return 0

    def rows(self, call: Call) -> Rows:
        return Rows()

    def accumulator_bound(self, call: Call, low: int, high: int) -> Int64 | None:
        """Per channel, what no partial sum exceeds, in any order, for inputs in [low, high]; None: no accumulator."""
        return None

    def intervals(
        self, call: Call, ranges: Sequence[Interval], ins: Sequence[Tensor], out: Tensor
    ) -> tuple[Interval | None, Interval]:
        """Accumulators (None: it has none) and results, per channel, for inputs whose channels lie in `ranges`.

        Tight if that is easy: every end is reached by some input. An operator that says nothing more gets what
        its clamp lets through.
        """
        low, high = getattr(call.params, "act_min", S8_MIN), getattr(call.params, "act_max", S8_MAX)
        return None, Interval.whole(out.shape[2], low, high)

    def sources(self, call: Call) -> Int64 | None:
        """Per output channel, the one channel of every input that it is made from; None: more than one, or another."""
        return np.arange(call.params.ch) if self.channelwise else None

    def ignored(self, call: Call, x: Tensor, out: Tensor, held: Interval) -> NDArray[np.bool_] | None:
        """Of an operator that can lose any output channel: the input channels that it can lose too.

        Those add the same to every accumulator, when values of x lie in `held`. None: it can lose no channel.
        """
        return None

    def narrowed(self, call: Call, x: Tensor, held: Interval, kept_in: Int64, kept_out: Int64) -> Call:
        """The call with these channels only, of its inputs and its output; asked as `sources` and `ignored` allow."""
        return replace(call, params=replace(call.params, ch=len(kept_out)))

    def weight_scale(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> tuple[Fraction, ...] | None:
        """Per channel, the scale of constant weights that multipliers and shifts define; None: it has none."""
        return None

    def rescale(self, call: Call, ranges: Sequence[Ends], ins: Sequence[Tensor], out: Tensor) -> Rescale | None:
        """What bringing inputs within `ranges` to one scale costs; None: the call does no such thing."""
        return None

    def check(self, call: Call, ins: Sequence[Tensor], out: Tensor) -> list[str]:
        """What is wrong with a call, beyond what is checked for every operator."""
        return []


class Rising(OpDef):
    """An operator no result of which falls when an input rises: the least inputs give the least results."""

    def intervals(
        self, call: Call, ranges: Sequence[Interval], ins: Sequence[Tensor], out: Tensor
    ) -> tuple[Interval | None, Interval]:
        images = [held.images(tensor.shape) for held, tensor in zip(ranges, ins, strict=True)]
        y, acc = self.evaluate(call, images, out.shape), self.accumulate(call, images[0], out.shape)
        return None if acc is None else Interval.over(acc[:1], acc[1:]), Interval.over(y[:1], y[1:])


def farthest(zero_point: int, low: int = S8_MIN, high: int = S8_MAX) -> int:
    """max |x - zp| for x in [low, high]."""
    return max(abs(low - zero_point), abs(high - zero_point))


def float_type_for(bound: int) -> type[np.floating[Any]]:
    """The float type in which sums of integer products up to `bound` are exact."""
    return np.float32 if bound < 2**24 else np.float64
