# SPDX-License-Identifier: Apache-2.0
"""program.txt, program.npz and plan.txt, read strictly: a line that is not understood is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit.model import Call, Pairs, Place, Plan, Port, Program, Step, Tensor
from eightbit.errors import InputError, reason

HINT = "give a folder as `eightbit compile -o` wrote it, or build it again"
TENSOR = re.compile(
    r'(\w+) s8 (\d+)x(\d+)x(\d+) (HWC|CHW) scale (\S+) zero_point (-?\d+) value (".*")',
)
ACC = re.compile(r"(-?\d+) (-?\d+) per channel ([-\d: ]+)")
PLACE = re.compile(
    r"tensor (\w+) (?:buffer (\w+) )?offset (\d+) size (\d+) first (\d+) last (\d+) "
    r"row (\d+) pixel (\d+) plane (\d+) ring (\d+)"
)
IO = re.compile(r"io_bytes (\d+), the caller's buffers")
COPY = re.compile(r"copy (\w+) from (\w+)")
STEP = re.compile(r"step (\d+) (\w+) (\w+) in (\w+(?: \w+)*) out (\w+) scratch (\d+) state (\d+)")
ACTIVATION = re.compile(r"activation_bytes (\d+) \((?:optimal: equal to the lower bound|lower bound (\d+))\)")


def text_of(path: Path) -> str:
    """A text file of the build."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path.name}", where=str(path), why=reason(error), hint=HINT) from error


def json_of(path: Path) -> dict[str, Any]:
    """A JSON object of the build."""
    try:
        found = json.loads(text_of(path))
        if not isinstance(found, dict):
            raise TypeError("it is not a JSON object")
    except (ValueError, TypeError) as error:
        raise InputError(f"cannot read {path.name}", where=str(path), why=reason(error), hint=HINT) from error
    return found


def arrays_of(path: Path) -> dict[str, NDArray[Any]]:
    """The constants by `call.role`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # zip, NumPy and file errors alike
        raise InputError(f"cannot read {path.name}", where=str(path), why=reason(error), hint=HINT) from error


def lines_of(where: str, text: str, take: Callable[[str], None]) -> None:
    """Give every line that is not empty to `take`; name the line that it refuses."""
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if line.strip():
                take(line.strip())
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, ArithmeticError) as error:
            raise InputError(
                f"cannot read {Path(where).name}",
                where=f"{where}, line {number}: {line.strip()[:80]}",
                why=reason(error) if str(error) else "the line is not understood",
                hint=HINT,
            ) from error


def matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None:
        raise ValueError("the line is not understood")
    return found


def read_program(text: str, arrays: dict[str, NDArray[Any]], where: str) -> Program:
    """The program that the text and the arrays say."""
    reader = ProgramReader(arrays)
    lines_of(where, text, reader.line)
    try:
        return reader.finished()
    except ValueError as error:
        raise InputError("cannot read program.txt", where=where, why=str(error), hint=HINT) from error


class ProgramReader:
    """Builds a Program line by line."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays, self.unused = arrays, set(arrays)
        self.name: str | None = None
        self.macs_model = 0
        self.started = False
        self.ports: dict[str, list[Port]] = {"input": [], "output": []}
        self.tensors: dict[str, Tensor] = {}
        self.calls: list[Call] = []

    def line(self, line: str) -> None:
        if not self.started:
            matched(re.compile("eightbit program 1"), line)
            self.started = True
            return
        keyword, _, rest = line.partition(" ")
        takes: dict[str, Callable[[str], object]] = {
            "name": self.take_name, "macs_model": self.take_macs_model, "tensor": self.take_tensor,
            "call": self.take_call, "params": self.take_params, "const": self.take_const, "acc": self.take_acc,
            "range": self.take_range, "weight_scale": self.take_weight_scale, "from": json.loads,
        }  # fmt: skip
        if keyword in self.ports:
            self.ports[keyword].append(self.port(rest))
        elif keyword in takes:
            takes[keyword](rest)
        else:
            raise ValueError(f"no line starts with {keyword!r}")

    def take_name(self, rest: str) -> None:
        self.name = str(json.loads(rest))

    def take_macs_model(self, rest: str) -> None:
        self.macs_model = int(rest)

    def port(self, rest: str) -> Port:
        left, _, tensor = rest.rpartition(" = ")
        name, _, shape = left.rpartition(" ")
        return Port(str(json.loads(name)), () if shape == "scalar" else tuple(map(int, shape.split("x"))), tensor)

    def take_tensor(self, rest: str) -> None:
        name, height, width, channels, order, scale, zero_point, value = matched(TENSOR, rest).groups()
        if name in self.tensors:
            raise ValueError(f"tensor {name} occurs twice")
        shape = int(height), int(width), int(channels)
        exact = Fraction(float.fromhex(scale))
        self.tensors[name] = Tensor(name, shape, order, exact, int(zero_point), str(json.loads(value)))

    def take_call(self, rest: str) -> None:
        name, _, right = rest.partition(" = ")
        op, *inputs = right.split()
        self.calls.append(Call(name, op, tuple(inputs)))

    def take_params(self, rest: str) -> None:
        for item in rest.split():
            name, _, value = item.partition("=")
            if re.fullmatch(r"-?\d+", value):
                self.calls[-1].params[name] = int(value)
            elif re.fullmatch(r"[-\d,]+", value):
                self.calls[-1].params[name] = tuple(map(int, value.split(",")))
            else:
                self.calls[-1].params[name] = value

    def take_const(self, rest: str) -> None:
        role, dtype, shape = rest.split()
        key = f"{self.calls[-1].name}.{role}"
        array = self.arrays[key]
        if (str(array.dtype), "x".join(map(str, array.shape))) != (dtype, shape):
            raise ValueError(f"the array is {array.dtype} {array.shape}")
        self.unused.discard(key)
        self.calls[-1].consts[role] = array

    def take_acc(self, rest: str) -> None:
        low, high, channels = matched(ACC, rest).groups()
        self.calls[-1].acc = int(low), int(high), pairs(channels)

    def take_range(self, rest: str) -> None:
        self.calls[-1].reach = pairs(rest.removeprefix("per channel "))

    def take_weight_scale(self, rest: str) -> None:
        self.calls[-1].weight_scale = [Fraction(item) for item in rest.removeprefix("per channel ").split()]

    def finished(self) -> Program:
        if self.name is None or not all(self.ports.values()):
            raise ValueError("it has no name, no input or no output")
        if self.unused:
            raise ValueError(f"program.npz has arrays that no call names: {', '.join(sorted(self.unused))}")
        return Program(
            self.name, tuple(self.ports["input"]), tuple(self.ports["output"]), self.tensors, tuple(self.calls),
            self.macs_model,
        )  # fmt: skip


def pairs(text: str) -> Pairs:
    found = [tuple(map(int, item.split(":"))) for item in text.split()]
    return [(low, high) for low, high in found]


def read_plan(text: str, where: str) -> Plan:
    """The plan that the text says."""
    places: dict[str, Place] = {}
    steps: list[Step] = []
    heads: list[str] = []
    io_bytes: list[int] = []
    copies: list[tuple[str, str]] = []

    def take(line: str) -> None:
        if line.startswith("tensor "):
            name, buffer, *numbers = matched(PLACE, line).groups()
            offset, size, first, last, *view = map(int, numbers)
            if name in places:
                raise ValueError(f"tensor {name} occurs twice")
            row, pixel, plane, ring = view
            places[name] = Place(buffer, offset, size, first, last, (row, pixel, plane, ring))
        elif line.startswith("step "):
            number, call, kernel, inputs, output, scratch, state = matched(STEP, line).groups()
            steps.append(
                Step(int(number), call, kernel, tuple(inputs.split()), output, int(scratch), int(state)),
            )
        elif line.startswith("copy "):
            to, source = matched(COPY, line).groups()
            copies.append((to, source))
        elif len(heads) == len(HEADS) and not io_bytes:
            io_bytes.append(int(matched(IO, line)[1]))
        else:
            heads.append(line)
            matched(HEADS[len(heads) - 1], line)

    lines_of(where, text, take)
    if len(heads) != len(HEADS):
        raise InputError("cannot read plan.txt", where=where, why="its first lines are missing", hint=HINT)
    found = [matched(pattern, line) for pattern, line in zip(HEADS, heads, strict=True)]
    sizes = [int(match[1]) for match in found[1:]]
    bound = int(found[1][2]) if found[1][2] else None
    return Plan(
        found[0][1], sizes[0], bound, sizes[1], sizes[2], sizes[3], places, tuple(steps),
        io_bytes[0] if io_bytes else None, tuple(copies),
    )  # fmt: skip


HEADS = (
    re.compile(r"plan of (.*), layer by layer"),
    ACTIVATION,
    re.compile(r"scratch_bytes (\d+)"),
    re.compile(r"state_bytes (\d+)"),
    re.compile(r"arena_bytes (\d+)"),
)
