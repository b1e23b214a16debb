# SPDX-License-Identifier: Apache-2.0
"""Program <-> text and constants: `program.txt` for people and diffs, `program.npz` for the arrays it names.

Scales are C99 hexadecimal floats, so that the text is exact. The proof of a call is three lines: `acc` (accumulators,
bias included), `weight_scale` (as fractions) and `range` (results), each per channel; `check` compares them on loading.
"""

from __future__ import annotations

import io
import json
import shlex
import zipfile
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from eightbit import ops
from eightbit.errors import InputError, reason
from eightbit.ir.check import check
from eightbit.ir.program import Call, Pairs, Port, Program, Proof, Tensor, hull

HEADER = "eightbit program 1"
BUILD_AGAIN = "build it again with `eightbit compile`"
EPOCH = (1980, 1, 1, 0, 0, 0)  # zip entries carry a date; bytes must not depend on today's


def print_program(program: Program) -> str:
    """The Program as text; `parse` reads it back."""
    lines = [HEADER, f"name {json.dumps(program.name)}"]
    for kind, ports in (("input", program.inputs), ("output", program.outputs)):
        for port in ports:
            shape = "x".join(map(str, port.shape)) or "scalar"
            lines.append(f"{kind} {json.dumps(port.name)} {shape} = {port.tensor}")
    lines += [f"macs_model {program.macs_model}"] if program.macs_model else []
    made = {call.output for call in program.calls}
    lines += [_tensor(tensor) for tensor in program.tensors.values() if tensor.name not in made]
    for call in program.calls:
        lines += ["", *_call(program, call)]
    return "\n".join(lines) + "\n"


def _tensor(tensor: Tensor) -> str:
    shape = "x".join(map(str, tensor.shape))
    scale = f"scale {float(tensor.scale).hex()} zero_point {tensor.zero_point}"
    return f"tensor {tensor.name} s8 {shape} {tensor.order} {scale} value {json.dumps(tensor.value)}"


def _call(program: Program, call: Call) -> list[str]:
    lines = [f"call {call.name} = {call.op} {' '.join(call.inputs)}"]
    lines.append("  " + _tensor(program.tensors[call.output]))
    shown = [f"{item.name}={_param(getattr(call.params, item.name))}" for item in fields(call.params)]
    lines += ["  params " + " ".join(shown)] if shown else []
    for role, array in call.consts.items():
        lines.append(f"  const {role} {array.dtype} {'x'.join(map(str, array.shape))}")
    lines += _proof(call.proof) if call.proof else []
    lines += [f"  from {json.dumps(origin)}" for origin in call.origin]
    return lines


def _proof(proof: Proof) -> list[str]:
    def pairs(channels: Pairs) -> str:
        return " ".join(f"{low}:{high}" for low, high in channels)

    lines = []
    if proof.acc is not None:
        low, high = hull(proof.acc)
        lines.append(f"  acc {low} {high} per channel {pairs(proof.acc)}")
    if proof.weight_scale is not None:
        scales = " ".join(f"{scale.numerator}/{scale.denominator}" for scale in proof.weight_scale)
        lines.append(f"  weight_scale per channel {scales}")
    return [*lines, f"  range per channel {pairs(proof.range)}"]


def _param(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def constants_file(program: Program) -> bytes:
    """All constants as an .npz with deterministic bytes: stored, not deflated, and a fixed date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in program.arrays():
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), entry.getvalue())
    return buffer.getvalue()


def load_program(path: str | Path) -> Program:
    """Read `program.txt` and the `program.npz` beside it."""
    text_path = Path(path)
    if text_path.suffix != ".txt" or not text_path.is_file():
        raise InputError(
            "cannot read the program",
            where=str(path),
            why="it is no program.txt" if text_path.exists() else "No such file or directory",
            hint="give the folder of a build, or the program.txt in it",
        )
    try:
        text = text_path.read_text(encoding="utf-8")
        with np.load(text_path.with_suffix(".npz"), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # zip, NumPy and file errors alike
        raise InputError(
            "cannot read the program",
            where=str(path),
            why=reason(error),
            hint="program.txt needs the program.npz of the same build beside it",
        ) from error
    program = parse(text, arrays, str(path))
    findings = _findings(program)
    if findings:
        raise InputError(
            "the program is not well formed", where=str(path), why="; ".join(findings[:5]), hint=BUILD_AGAIN
        )
    return program


def _findings(program: Program) -> list[str]:
    try:
        return check(program) or [f"{call.name}: its proof is missing" for call in program.calls if not call.proof]
    except Exception as error:  # arrays and numbers of a damaged program may be anything
        return [reason(error)]


def parse(text: str, arrays: dict[str, NDArray[Any]], where: str) -> Program:
    """The Program that `print_program` printed, with its constants by `call.role`."""
    reader = _Reader(arrays)
    lines = text.splitlines()
    if not lines or lines[0] != HEADER:
        raise InputError(
            "not an eightbit program", where=where, why=f"its first line is not {HEADER!r}", hint=BUILD_AGAIN
        )
    try:
        for line in lines[1:]:
            reader.line(line)
        return reader.program()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError) as error:
        raise InputError(
            "cannot read the program",
            where=f"{where}, line {reader.number}: {lines[reader.number - 1].strip()[:80]}",
            why=reason(error),
            hint=BUILD_AGAIN,
        ) from error


class _Reader:
    """Builds a Program line by line."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self.number = 1  # of the line that was read last
        self.name = ""
        self.macs_model = 0
        self.ports: dict[str, list[Port]] = {"input": [], "output": []}
        self.tensors: dict[str, Tensor] = {}
        self.calls: list[dict[str, Any]] = []

    def line(self, line: str) -> None:
        self.number += 1
        keyword, _, rest = line.strip().partition(" ")
        if keyword:
            getattr(self, f"_{keyword}_line")(rest)

    def _name_line(self, rest: str) -> None:
        self.name = _quoted(rest)

    def _input_line(self, rest: str) -> None:
        self.ports["input"].append(_port(rest))

    def _output_line(self, rest: str) -> None:
        self.ports["output"].append(_port(rest))

    def _macs_model_line(self, rest: str) -> None:
        self.macs_model = int(rest)

    def _tensor_line(self, rest: str) -> None:
        left, _, value = rest.partition(" value ")
        name, kind, shape, order, _, scale, _, zero_point = left.split()
        if kind != "s8":
            raise ValueError(f"unknown element type {kind!r}")
        height, width, channels = map(int, shape.split("x"))
        scale_value = float.fromhex(scale)
        self.tensors[name] = Tensor(
            name, (height, width, channels), scale_value, int(zero_point), _quoted(value), order
        )

    def _call_line(self, rest: str) -> None:
        name, _, right = rest.partition(" = ")
        op, *inputs = right.split()
        ops.get(op)
        self.calls.append(
            {
                "name": name,
                "op": op,
                "inputs": tuple(inputs),
                "output": name,
                "params": {},
                "consts": {},
                "origin": [],
                "proof": {},
            }
        )

    def _params_line(self, rest: str) -> None:
        call = self.calls[-1]
        hints = get_type_hints(ops.get(call["op"]).Params)
        for item in shlex.split(rest):
            key, _, value = item.partition("=")
            call["params"][key] = _parsed(value, hints[key])

    def _const_line(self, rest: str) -> None:
        role, dtype, shape = rest.split()
        call = self.calls[-1]
        array = self.arrays[f"{call['name']}.{role}"]
        if (str(array.dtype), "x".join(map(str, array.shape))) != (dtype, shape):
            raise ValueError(f"the array is {array.dtype} {array.shape}")
        call["consts"][role] = array

    def _acc_line(self, rest: str) -> None:
        shown, _, channels = rest.partition(" per channel ")
        acc = _pairs(channels)
        if tuple(map(int, shown.split())) != hull(acc):
            raise ValueError("the interval is not that of all channels")
        self.calls[-1]["proof"]["acc"] = acc

    def _weight_scale_line(self, rest: str) -> None:
        self.calls[-1]["proof"]["weight_scale"] = tuple(map(_fraction, _per_channel(rest)))

    def _range_line(self, rest: str) -> None:
        self.calls[-1]["proof"]["range"] = _pairs(" ".join(_per_channel(rest)))

    def _from_line(self, rest: str) -> None:
        self.calls[-1]["origin"].append(_quoted(rest))

    def program(self) -> Program:
        ports = [*self.ports["input"], *self.ports["output"]]
        unknown = [port.tensor for port in ports if port.tensor not in self.tensors]
        if unknown or not all(self.ports.values()):
            raise ValueError(f"tensor {unknown[0]} is missing" if unknown else "it has no input or no output")
        calls = tuple(map(_finished, self.calls))
        inputs, outputs = (tuple(self.ports[kind]) for kind in ("input", "output"))
        return Program(self.name, inputs, outputs, self.tensors, calls, self.macs_model)


def _finished(call: dict[str, Any]) -> Call:
    kind = ops.get(call["op"]).Params
    missing = [item.name for item in fields(kind) if item.name not in call["params"]]
    if missing:
        raise ValueError(f"call {call['name']} lacks the params {', '.join(missing)}")
    if call["proof"] and "range" not in call["proof"]:
        raise ValueError(f"call {call['name']} has a proof without a range")
    proof = Proof(**call["proof"]) if call["proof"] else None
    return Call(**{**call, "params": kind(**call["params"]), "origin": tuple(call["origin"]), "proof": proof})


def _per_channel(rest: str) -> list[str]:
    words = rest.split()
    if words[:2] != ["per", "channel"]:
        raise ValueError("'per channel' is missing")
    return words[2:]


def _pairs(text: str) -> Pairs:
    split = [word.split(":") for word in text.split()]
    return tuple((int(low), int(high)) for low, high in split)


def _fraction(text: str) -> Fraction:
    """NUM/DEN in lowest terms."""
    numerator, _, denominator = text.partition("/")
    value = Fraction(int(numerator), int(denominator))
    if (str(value.numerator), str(value.denominator)) != (numerator, denominator):
        raise ValueError(f"{text} is not in lowest terms")
    return value


def _port(rest: str) -> Port:
    left, _, tensor = rest.rpartition(" = ")
    name, _, shape = left.rpartition(" ")
    dims = () if shape == "scalar" else tuple(map(int, shape.split("x")))
    return Port(_quoted(name), tensor, dims)


def _quoted(text: str) -> str:
    value = json.loads(text)
    if not isinstance(value, str):
        raise TypeError(f"{text} is not a string in quotes")
    return value


def _parsed(value: str, hint: Any) -> Any:
    if hint is int:
        return int(value)
    return value if hint is str else tuple(map(int, value.split(",")))
