# SPDX-License-Identifier: Apache-2.0
"""The emitted C against program and plan: constants, Params, assertions, launches, addresses and macros."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.audit import read_c
from eightbit.audit.intervals import Derived
from eightbit.audit.model import Call, Ledger, Plan, Port, Program
from eightbit.audit.read import text_of
from eightbit.audit.stored import stored

ELEMENTS = {"int8": "e8_s8", "int16": "e8_s16", "int32": "e8_s32", "uint32": "e8_u32"}
CONSTANTS, PARAMS, LAUNCHES, MACROS = "constants in C", "parameters in C", "launches in C", "macros and assertions"


@dataclass(frozen=True)
class Source:
    """The C of a build, and what it must agree with."""

    folder: Path
    name: str
    program: Program
    plan: Plan
    ledger: Ledger

    def text(self, file: str) -> str:
        return text_of(self.folder / file)

    @property
    def macro(self) -> str:
        return self.name.upper()


def source(it: Source, derived: Mapping[str, Derived]) -> None:
    """All of it."""
    weights = read_c.read_weights(it.text(f"{it.name}_weights.inc"))
    _weights(it, weights, derived)
    _launches(it, weights)
    _header(it)


# ---- <model>_weights.inc ----


def _weights(it: Source, weights: read_c.Weights, derived: Mapping[str, Derived]) -> None:
    where = f"{it.name}_weights.inc"
    it.ledger.equal(CONSTANTS, where, "code that is no constant", weights.residue, "")
    arrays: set[str] = set()
    structs: set[str] = set()
    for step, call in zip(it.plan.steps, it.program.coded, strict=True):
        stem = f"{it.name}_{call.name}"
        expected = stored(step.kernel, call)
        if expected is None:
            it.ledger.wrong(where, f"how {step.kernel} stores the constants of {call.name} is not known")
            expected = call.consts
        for role, values in expected.items():
            arrays.add(f"{stem}_{role}")
            _array(it, weights, f"{stem}_{role}", values)
        structs |= {stem} | ({f"{stem}_w"} if len(call.consts) > 1 else set())
        _params(it, weights, call, stem)
    _accumulators(it, weights, derived)
    it.ledger.equal(CONSTANTS, where, "its list of arrays", set(weights.arrays), arrays)
    it.ledger.equal(CONSTANTS, where, "its list of structs", set(weights.structs), structs)


def _accumulators(it: Source, weights: read_c.Weights, derived: Mapping[str, Derived]) -> None:
    """The assertions that accumulators fit, and the comments before them."""
    where, assertions, notes = f"{it.name}_weights.inc", {}, {}
    for call in it.program.coded:
        acc, name = derived[call.name].acc, f"{it.name}_{call.name}_acc_fits"
        if acc is not None:
            low, high = int(acc.low.min()), int(acc.high.max())
            assertions[name] = f"{max(-low, high)} <= (2147483647 >> {call.number('acc_lshift')})"
            notes[name] = low, high, 1 + max(high, -1 - low).bit_length()
    it.ledger.same(MACROS, where, "the assertion", weights.assertions, assertions)
    it.ledger.same(MACROS, where, "the comment before", read_c.accumulator_notes(it.text(where)), notes)


def _array(it: Source, weights: read_c.Weights, name: str, values: NDArray[Any]) -> None:
    where = f"{it.name}_weights.inc"
    kind, found = weights.arrays.get(name, ("", []))
    it.ledger.equal(CONSTANTS, where, f"the element type of {name}", kind, ELEMENTS[str(values.dtype)])
    it.ledger.arrays(CONSTANTS, where, name, np.array(found, np.int64), values.astype(np.int64).ravel())


def _params(it: Source, weights: read_c.Weights, call: Call, stem: str) -> None:
    """The struct of a call: every member of its type, each with the program's value, and that value fits."""
    where = f"{it.name}_weights.inc, {stem}"
    kind, body = weights.structs.get(stem, ("", ""))
    it.ledger.equal(PARAMS, where, "its type", kind, f"e8_{call.op}_s8_params")
    fields = read_c.struct_types(it.text(f"e8_{call.op}.h")).get(f"e8_{call.op}_s8_params", [])
    expected = {name: value for name, value in call.params.items() if not isinstance(value, str)}
    it.ledger.equal(PARAMS, f"e8_{call.op}.h", "the list of members", sorted(f[0] for f in fields), sorted(expected))
    found = read_c.members(body)
    it.ledger.equal(PARAMS, where, "the list of members", sorted(found), sorted(expected))
    for name, ctype, length in fields:
        value = expected.get(name)
        values = list(value) if isinstance(value, tuple) else [value]
        it.ledger.equal(PARAMS, where, f".{name}", found.get(name), values)
        low, high = read_c.TYPES[ctype]
        fits = len(values) == (length or 1) and all(isinstance(v, int) and low <= v <= high for v in values)
        it.ledger.expect(PARAMS, where, fits, f".{name} does not fit {ctype}")
    if len(call.consts) > 1:
        _streams(it, weights, call, stem)


def _streams(it: Source, weights: read_c.Weights, call: Call, stem: str) -> None:
    """The struct of pointers to a call's arrays, member by member as its type has them."""
    where = f"{it.name}_weights.inc, {stem}_w"
    kind, body = weights.structs.get(f"{stem}_w", ("", ""))
    types: dict[str, list[tuple[str, str, int]]] = {}
    for header in sorted(it.folder.glob("e8_*.h")):
        types |= read_c.struct_types(text_of(header))
    order = [name for name, _, _ in types.get(kind, [])]
    it.ledger.equal(PARAMS, where, "the list of members", sorted(order), sorted(call.consts))
    pointers = [item.strip() for item in body.split(",")]
    it.ledger.equal(PARAMS, where, "its pointers", pointers, [f"{stem}_{role}" for role in order])


# ---- <model>.c ----


def _launches(it: Source, weights: read_c.Weights) -> None:
    where, text = f"{it.name}.c", it.text(f"{it.name}.c")
    found = read_c.launches(text)
    if not it.ledger.equal(LAUNCHES, where, "its number of launches", len(found), len(it.program.coded)):
        return
    for number, (launch, call) in enumerate(zip(found, it.program.coded, strict=True), start=1):
        for name, stated, expected in _launch_facts(it, number, launch, call):
            it.ledger.equal(LAUNCHES, f"{where}, launch {number} ({call.name})", name, stated, expected)
    it.ledger.equal(LAUNCHES, where, "what its comments say", read_c.notes(text), _notes(it))
    odd = read_c.leftover_numbers(text) - {"0", "1"}
    it.ledger.equal(LAUNCHES, where, "numbers outside launches", odd, set())
    kernels = {step.kernel for step in it.plan.steps}
    for kernel in sorted(kernels):
        file = next((f for f in re.findall(r'#include "(\w+\.inc)"', text) if f"{kernel}(" in it.text(f)), None)
        it.ledger.expect(LAUNCHES, where, file is not None, f"no file that it includes defines {kernel}")


def _launch_facts(it: Source, number: int, launch: read_c.Launch, call: Call) -> list[tuple[str, object, object]]:
    plan, out, stem = it.plan, it.program.tensors[call.name], f"{it.name}_{call.name}"
    step = plan.steps[number - 1]
    rows = it.program.tensors[call.inputs[0]].shape[0] if call.op == "gap" else out.shape[0]
    trace = (f"{it.macro}_TRACE", str(number), "out", str(out.shape[0]), str(out.shape[1] * out.shape[2]))
    weights = {0: "0", 1: f"{stem}_{next(iter(call.consts), '')}"}.get(len(call.consts), f"&{stem}_w")
    return [
        ("its input views", launch.ins, tuple(_view(plan, name) for name in call.inputs)),
        ("its output view", launch.out, _view(plan, call.name)),
        ("its first row", launch.first_row, 0),
        ("its number of rows", launch.rows, rows),
        ("its scratch", launch.scratch, plan.scratch_offset if step.scratch else None),
        ("its state", launch.state, "0"),
        ("its kernel", launch.kernel, step.kernel),
        ("its params", launch.params, f"&{stem}"),
        ("its constants", launch.weights, weights),
        ("its trace", launch.trace, trace),
    ]


def _notes(it: Source) -> list[tuple[str, str, int, str, str]]:
    """The comment of every launch: what it costs, and which bytes it reads and writes."""

    def span(name: str) -> str:
        place = it.plan.places[name]
        return f"{place.offset}..{place.offset + place.size - 1}"

    return [
        (str(number), call.name, it.program.macs(call), " and ".join(map(span, call.inputs)), span(call.name))
        for number, call in enumerate(it.program.coded, start=1)
    ]


def _view(plan: Plan, name: str) -> tuple[int, ...]:
    return (plan.places[name].offset, *plan.places[name].view)


# ---- <model>.h and the addresses that it promises ----


def _header(it: Source) -> None:
    where, plan = f"{it.name}.h", it.plan
    macros = read_c.macros(it.text(where))
    sizes = {
        "ACTIVATION_BYTES": plan.activation_bytes,
        "SCRATCH_BYTES": plan.scratch_bytes,
        "ARENA_BYTES": plan.arena_bytes,
        "CONTEXT_BYTES": -(-plan.arena_bytes // 8) * 8,
    }
    for name, value in sizes.items():
        it.ledger.equal(MACROS, where, f"{it.macro}_{name}", macros.get(f"{it.macro}_{name}"), str(value))
    arena = re.search(r"typedef struct \{\s*(.*?)\s*\} \w+_context;", read_c.code(it.text(where)), re.DOTALL)
    text = f"E8_ALIGN({it.macro}_CONTEXT_BYTES) arena;"
    it.ledger.equal(MACROS, where, "the context", arena and arena[1], text)
    version = re.search(r"#if E8_RUNTIME_VERSION != (\d+)", it.text(where))
    runtime = read_c.macros(it.text("e8_types.h")).get("E8_RUNTIME_VERSION")
    it.ledger.equal(MACROS, where, "the runtime version", version and version[1], runtime)
    _ports(it, macros)


def _ports(it: Source, macros: Mapping[str, str]) -> None:
    where, code = f"{it.name}.h", f"{it.name}.c"
    text = it.text(code)
    offsets, asserted = read_c.addresses(text), read_c.assertions(text)
    expected = {
        f"{it.name}_context_size": f"sizeof({it.name}_context) == {it.macro}_CONTEXT_BYTES * sizeof(e8_s8)",
        f"{it.name}_arena_fits": f"{it.macro}_ARENA_BYTES <= {it.macro}_CONTEXT_BYTES",
    }
    functions = []
    for kind, ports in (("INPUT", it.program.inputs), ("OUTPUT", it.program.outputs)):
        stems = [name.removesuffix("_SIZE") for name in macros if re.fullmatch(rf"{it.macro}_{kind}\w*_SIZE", name)]
        if not it.ledger.equal(MACROS, where, f"the number of {kind.lower()}s", len(stems), len(ports)):
            continue
        for stem, port in zip(stems, ports, strict=True):
            offset = it.plan.places[port.tensor].offset
            function = f"{it.name}_{stem.removeprefix(f'{it.macro}_').lower()}"
            functions.append(function)
            expected[f"{function}_fits"] = f"{offset} + {stem}_SIZE <= {it.macro}_ACTIVATION_BYTES"
            it.ledger.equal(MACROS, code, f"the address of {function}", offsets.get(function), offset)
            _port(it, macros, stem, port)
    it.ledger.equal(MACROS, code, "its list of addresses", sorted(offsets), sorted(functions))
    it.ledger.equal(MACROS, code, "its assertions", asserted, expected)


def _port(it: Source, macros: Mapping[str, str], stem: str, port: Port) -> None:
    where, tensor = f"{it.name}.h", it.program.tensors[port.tensor]
    dims = ", ".join(map(str, port.shape)) or "1"
    facts = {
        "SIZE": str(tensor.size),
        "RANK": str(max(1, len(port.shape))),
        "SHAPE": f"{{ {dims} }}",
        "ZERO_POINT": f"({tensor.zero_point})",
    }
    for name, value in facts.items():
        it.ledger.equal(MACROS, where, f"{stem}_{name}", macros.get(f"{stem}_{name}"), value)
    stated = macros.get(f"{stem}_SCALE", "")
    try:
        scale = Fraction(float(np.float32(stated.removesuffix("f"))))
    except ValueError:
        scale = Fraction(0)
    it.ledger.expect(MACROS, where, scale == tensor.scale, f"{stem}_SCALE {stated} is not {float(tensor.scale)}")
