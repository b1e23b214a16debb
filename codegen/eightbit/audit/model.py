# SPDX-License-Identifier: Apache-2.0
"""What the auditor reads: its own picture of a program, a plan, and the list of what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.errors import printable

S8_MIN, S8_MAX = -128, 127
Pairs = list[tuple[int, int]]
Params = Mapping[str, int | tuple[int, ...] | str]


@dataclass(frozen=True)
class Tensor:
    """A stored s8 tensor (H, W, C); `order` is HWC or CHW."""

    name: str
    shape: tuple[int, int, int]
    order: str
    scale: Fraction
    zero_point: int
    value: str

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def channel_of(self) -> NDArray[np.int64]:
        """The channel of every element, in memory order."""
        height, width, channels = self.shape
        position = np.arange(self.size)
        return position // (height * width) if self.order == "CHW" else position % channels

    @property
    def view(self) -> tuple[int, int, int, int]:
        """Steps to the next row, pixel and channel, and the rows there are."""
        height, width, channels = self.shape
        return (width, 1, height * width, height) if self.order == "CHW" else (width * channels, channels, 1, height)


@dataclass(frozen=True)
class Port:
    """A model input or output: ONNX name and shape, and its tensor."""

    name: str
    shape: tuple[int, ...]
    tensor: str


@dataclass
class Call:
    """One call, and the proofs that the text states for it (None: not stated)."""

    name: str
    op: str
    inputs: tuple[str, ...]
    params: dict[str, int | tuple[int, ...] | str] = field(default_factory=dict)
    consts: dict[str, NDArray[Any]] = field(default_factory=dict)
    acc: tuple[int, int, Pairs] | None = None  # low, high, per channel
    weight_scale: list[Fraction] | None = None
    reach: Pairs | None = None

    def number(self, name: str) -> int:
        value = self.params[name]
        if not isinstance(value, int):
            raise TypeError(f"{self.name}: {name}={value} is not an integer")
        return value

    def numbers(self, name: str) -> tuple[int, ...]:
        value = self.params[name]
        if not isinstance(value, tuple):
            raise TypeError(f"{self.name}: {name}={value} is not a list of integers")
        return value


@dataclass(frozen=True)
class Program:
    """The fixed-point network of program.txt and program.npz."""

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    tensors: Mapping[str, Tensor]
    calls: tuple[Call, ...]
    macs_model: int = 0  # multiply-accumulates before channels were removed; 0: none were

    def ins(self, call: Call) -> list[Tensor]:
        return [self.tensors[name] for name in call.inputs]

    def macs(self, call: Call) -> int:
        """Multiply-accumulates of a call, padding taps included."""
        height, width, _ = self.tensors[call.name].shape
        return height * width * call.consts["weights"].size if "weights" in call.consts else 0

    @property
    def coded(self) -> list[Call]:
        """The calls that are launches: a reshape moves nothing."""
        return [call for call in self.calls if call.op != "reshape"]


@dataclass(frozen=True)
class Place:
    """A tensor line of plan.txt: bytes of the arena, or of a buffer of the caller."""

    buffer: str | None
    offset: int
    size: int
    first: int
    last: int
    view: tuple[int, int, int, int]

    @property
    def base(self) -> tuple[str, int]:
        """Where it starts, as the C says it."""
        return self.buffer or "arena", self.offset

    @property
    def text(self) -> str:
        return self.buffer or f"arena {self.span}"

    @property
    def span(self) -> str:
        return f"{self.offset}..{self.offset + self.size - 1}"


@dataclass(frozen=True)
class Step:
    """A step line of plan.txt."""

    number: int
    call: str
    kernel: str
    inputs: tuple[str, ...]
    output: str
    scratch: int
    state: int


@dataclass(frozen=True)
class Plan:
    """plan.txt. `io_bytes`: of the caller's buffers, None where there are none; `copies`: (to, from) of them."""

    name: str
    activation_bytes: int
    bound: int | None  # None: said to be optimal
    scratch_bytes: int
    state_bytes: int
    arena_bytes: int
    places: Mapping[str, Place]
    steps: tuple[Step, ...]
    io_bytes: int | None = None
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def scratch_offset(self) -> int:
        return -(-self.activation_bytes // 8) * 8 if self.scratch_bytes else self.activation_bytes


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Ledger:
    """What was found wrong, and how many facts of each kind were proven."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.proven: Counter[str] = Counter()

    def wrong(self, where: str, what: str) -> None:
        self.findings.append(Finding(printable(where), printable(what)))

    def expect(self, kind: str, where: str, holds: bool, what: str) -> bool:
        """Count a fact that holds, or note what does not."""
        if holds:
            self.proven[kind] += 1
        else:
            self.wrong(where, what)
        return holds

    def every(self, kind: str, where: str, facts: Iterable[tuple[bool, str]]) -> bool:
        """Each of (holds, what is wrong otherwise), all of them even if one fails."""
        return not [what for holds, what in facts if not self.expect(kind, where, holds, what)]

    def equal(self, kind: str, where: str, name: str, found: object, expected: object) -> bool:
        if found == expected:
            self.proven[kind] += 1
            return True
        if isinstance(found, list) and isinstance(expected, list) and 1 < len(found) == len(expected):
            at = next(i for i, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
            name, found, expected = f"{name}, entry {at}", found[at], expected[at]
        self.wrong(where, f"{name}: {found}, it must be {expected}")
        return False

    def same(
        self, kind: str, where: str, name: str, found: Mapping[str, object], expected: Mapping[str, object]
    ) -> bool:
        """Key by key."""
        keys = sorted(set(found) | set(expected))
        return self.every(
            kind,
            where,
            [
                (found.get(k) == expected.get(k), f"{name} {k}: {found.get(k)}, it must be {expected.get(k)}")
                for k in keys
            ],
        )

    def arrays(self, kind: str, where: str, name: str, found: NDArray[Any], expected: NDArray[Any]) -> bool:
        """Element by element; names the first that differs."""
        if found.shape != expected.shape:
            self.wrong(where, f"{name} has {found.size} elements, it must have {expected.size}")
            return False
        differing = np.flatnonzero(found.ravel() != expected.ravel())
        self.proven[kind] += found.size - differing.size
        if differing.size:
            at, more = int(differing[0]), differing.size - 1
            text = f"{name}[{at}] is {found.flat[at]}, it must be {expected.flat[at]}"
            self.wrong(where, text + (f" (and {more} more)" if more else ""))
        return not differing.size
