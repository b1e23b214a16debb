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
from eightbit.audit.kernels import stored
from eightbit.audit.model import Call, Ledger, Plan, Port, Program
from eightbit.audit.ops import all_ops
from eightbit.audit.read import text_of

ELEMENTS = {"int8": "e8_s8", "uint8": "e8_u8", "int16": "e8_s16", "int32": "e8_s32", "uint32": "e8_u32"}
CONSTANTS, PARAMS, LAUNCHES, MACROS = "constants in C", "parameters in C", "launches in C", "macros and assertions"


@dataclass(frozen=True)
class Source:
    """The C of a build, and what it must agree with."""

    folder: Path
    code: Path  # the folder of the C, in `folder` or that itself
    name: str
    program: Program
    plan: Plan
    ledger: Ledger

    def text(self, file: str) -> str:
        return text_of(self.code / file)

    @property
    def macro(self) -> str:
        return self.name.upper()

    def port_names(self, kind: str) -> list[str]:
        """What the header calls the ports of a kind, INPUT or OUTPUT: `input`, or `input_<name>` of several."""
        pattern = re.compile(rf"{self.macro}_({kind}\w*)_SIZE")
        return [
            found[1].lower() for found in map(pattern.fullmatch, read_c.macros(self.text(f"{self.name}.h"))) if found
        ]


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
    for header in sorted(it.code.glob("e8_*.h")):
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
    rows = it.program.tensors[call.inputs[0]].shape[0] if all_ops()[call.op].reduces else out.shape[0]
    trace = (f"{it.macro}_TRACE", str(number), "out", str(out.shape[0]), str(out.shape[1] * out.shape[2]))
    weights = {0: "0", 1: f"{stem}_{next(iter(call.consts), '')}"}.get(len(call.consts), f"&{stem}_w")
    return [
        ("its input views", launch.ins, tuple(_view(plan, name) for name in call.inputs)),
        ("its output view", launch.out, _view(plan, call.name)),
        ("its first row", launch.first_row, 0),
        ("its number of rows", launch.rows, rows),
        ("its scratch", launch.scratch, ("arena", plan.scratch_offset) if step.scratch else None),
        ("its state", launch.state, "0"),
        ("its kernel", launch.kernel, step.kernel),
        ("its params", launch.params, f"&{stem}"),
        ("its constants", launch.weights, weights),
        ("its trace", launch.trace, trace),
    ]


def _notes(it: Source) -> list[tuple[str, str, int, str]]:
    """The comment of every launch: what it costs, and which bytes it reads and writes."""
    found = []
    for number, call in enumerate(it.program.coded, start=1):
        ins, out = [it.plan.places[name] for name in call.inputs], it.plan.places[call.name]
        if it.plan.io_bytes is None:  # all in the arena, which is said once
            text = f"arena {' and '.join(place.span for place in ins)} -> {out.span}"
        else:
            text = f"{' and '.join(place.text for place in ins)} -> {out.text}"
        found.append((str(number), call.name, it.program.macs(call), text))
    return found


def _view(plan: Plan, name: str) -> read_c.View:
    return (*plan.places[name].base, *plan.places[name].view)


# ---- <model>.h and the addresses that it promises ----


def _header(it: Source) -> None:
    where, plan = f"{it.name}.h", it.plan
    macros = read_c.macros(it.text(where))
    sizes = {
        "ACTIVATION_BYTES": str(plan.activation_bytes),
        "SCRATCH_BYTES": str(plan.scratch_bytes),
        "ARENA_BYTES": str(plan.arena_bytes),
    }
    if plan.io_bytes is None:
        sizes["CONTEXT_BYTES"] = str(-(-plan.arena_bytes // 8) * 8)
        context = f"E8_ALIGN({it.macro}_CONTEXT_BYTES) arena;"
    else:
        pointers = [f"const e8_s8 *{name};" for name in it.port_names("INPUT")]
        pointers += [f"e8_s8 *{name};" for name in it.port_names("OUTPUT")]
        sizes["CONTEXT_BYTES"] = f"(sizeof({it.name}_context) / sizeof(e8_s8))"
        sizes["IO_BYTES"] = str(plan.io_bytes)
        context = " ".join([f"E8_ALIGN({it.macro}_ARENA_BYTES) arena;"] * (plan.arena_bytes > 0) + pointers)
    for name, value in sizes.items():
        it.ledger.equal(MACROS, where, f"{it.macro}_{name}", macros.get(f"{it.macro}_{name}"), value)
    found = re.search(r"typedef struct \{\s*(.*?)\s*\} \w+_context;", read_c.code(it.text(where)), re.DOTALL)
    it.ledger.equal(MACROS, where, "the context", found and " ".join(found[1].split()), context)
    _versions(it)
    _ports(it, macros)


def _versions(it: Source) -> None:
    """Every C file checks that it meets the e8_types.h of its own version."""
    runtime = read_c.macros(it.text("e8_types.h")).get("E8_RUNTIME_VERSION")
    included = sorted(path.name for path in it.code.glob("e8_*.*") if path.name != "e8_types.h")
    own = [f"{it.name}{end}" for end in (".h", ".c", "_io.h", "_weights.inc", "_selftest.c")]
    for file in (*own, *included):
        it.ledger.equal(MACROS, file, "the versions that it checks", read_c.versions(it.text(file)), [runtime])


def _ports(it: Source, macros: Mapping[str, str]) -> None:
    where, code, caller = f"{it.name}.h", f"{it.name}.c", it.plan.io_bytes is not None
    found, expected, addresses = read_c.addresses(it.text(code)), dict[str, str](), dict[str, tuple[str, int]]()
    for kind, ports in (("INPUT", it.program.inputs), ("OUTPUT", it.program.outputs)):
        names = it.port_names(kind)
        if not it.ledger.equal(MACROS, where, f"the number of {kind.lower()}s", len(names), len(ports)):
            continue
        for name, port in zip(names, ports, strict=True):
            _port(it, macros, f"{it.macro}_{name.upper()}", port)
            base = it.plan.places[port.tensor].base
            if not caller:
                addresses[f"{it.name}_{name}"] = base
                fits = f"{base[1]} + {it.macro}_{name.upper()}_SIZE <= {it.macro}_ACTIVATION_BYTES"
                expected[f"{it.name}_{name}_fits"] = fits
            elif kind == "OUTPUT":
                addresses[f"{it.name}_{name}"] = name, 0
    for name, address in addresses.items():
        it.ledger.equal(MACROS, code, f"the address of {name}", found.get(name), address)
    it.ledger.equal(MACROS, code, "its list of addresses", sorted(found), sorted(addresses))
    it.ledger.equal(MACROS, code, "its assertions", read_c.assertions(it.text(code)), expected | _sizes(it, caller))


def _sizes(it: Source, caller: bool) -> dict[str, str]:
    """The assertions about the sizes of the context, by name."""
    if caller:
        activation, scratch, arena = (f"{it.macro}_{name}_BYTES" for name in ("ACTIVATION", "SCRATCH", "ARENA"))
        return {f"{it.name}_arena_holds_all": f"{activation} + {scratch} <= {arena}"}
    return {
        f"{it.name}_context_size": f"sizeof({it.name}_context) == {it.macro}_CONTEXT_BYTES * sizeof(e8_s8)",
        f"{it.name}_arena_fits": f"{it.macro}_ARENA_BYTES <= {it.macro}_CONTEXT_BYTES",
    }


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
