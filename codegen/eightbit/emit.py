# SPDX-License-Identifier: Apache-2.0
"""Layout -> C: finished strings for the templates, which only place them. No floats, no paths, no dates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from eightbit import cstruct, ctext, ops, resources, simulate, vectors
from eightbit.input_ranges import pixel_value
from eightbit.intervals import accumulator_bits
from eightbit.kernels.kernel import Kernel
from eightbit.names import comment, model_identifier, port_identifiers
from eightbit.plan import Layout, View, align
from eightbit.program import Call, Port, Program, Tensor, hull, unstored
from eightbit.schedule import Schedule
from eightbit.select import Selection

HEADERS = ("e8_types.h", "e8_math.h", "e8_rows.h")  # of the templates; others come with the kernels that include them
INCLUDE_LINE = re.compile(r'^#include "[^"]*"\n', re.MULTILINE)
INCLUDED = re.compile(r'^#include "(\w+\.h)"', re.MULTILINE)


@dataclass(frozen=True)
class Emission:
    """The C of a build, by file name, and what a test driver must know of it."""

    name: str
    files: Mapping[str, str]


@cache
def environment(autoescape: bool = False) -> jinja2.Environment:
    """Templates of C, whose texts are safe before they come, or with `autoescape` those of HTML."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.templates()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=autoescape,
    )


def emit(program: Program, selection: Selection, steps: Schedule, layout: Layout) -> Emission:
    """All C files of the build."""
    context = model_context(program, selection, steps, layout)
    name = str(context["name"])
    files = {
        f"{name}.h": render("model.h.j2", context),
        f"{name}.c": render("model.c.j2", context),
        f"{name}_io.h": render("model_io.h.j2", context),
        f"{name}_weights.inc": render("weights.inc.j2", context | {"constants": constants(program, selection, name)}),
        f"{name}_selftest.c": render("selftest.c.j2", context | selftest_context(program)),
    }
    files |= runtime_files(selection)
    return Emission(name, {file: versioned(file, text) for file, text in files.items()})


def versioned(file: str, text: str) -> str:
    """C that refuses to be compiled with the e8_types.h of another version: one stale file in a folder is enough.

    The check stands after the last #include, or after the first comment: whoever includes that has e8_types.h.
    """
    if not file.endswith((".c", ".h", ".inc")) or file == "e8_types.h":
        return text
    includes = [found.end() for found in INCLUDE_LINE.finditer(text)]
    at = includes[-1] if includes else text.index("*/\n", text.index("*/\n") + 1) + 3
    version = runtime_version()
    check = f"""
#if E8_RUNTIME_VERSION != {version}
#error "{file} and e8_types.h are from different versions of eightbit: keep all files of one build together"
#endif
"""
    return text[:at] + check + text[at:]


def render(template: str, context: Mapping[str, Any]) -> str:
    return environment().get_template(template).render(context)


def runtime_files(selection: Selection) -> dict[str, str]:
    """The kernels that the selection uses, as .inc since out/ has just two .c files, and every header they include."""
    runtime = resources.runtime()
    include = runtime / "include"
    files = {
        inc_name(isa, file): (runtime / "kernels" / isa / f"{file}.c").read_text(encoding="utf-8")
        for isa, file in sorted({(k.isa, k.file) for k in selection.kernels.values()})
    }
    needed = [*HEADERS, *(header for text in files.values() for header in INCLUDED.findall(text))]
    while needed:
        header = needed.pop()
        if header not in files:
            narrow = include / "narrow" / header  # another definition of the same functions
            path = include / header if selection.wide_multiply or not narrow.is_file() else narrow
            files[header] = path.read_text(encoding="utf-8")
            needed += INCLUDED.findall(files[header])
    return files


def inc_name(isa: str, file: str) -> str:
    return f"e8_{file}__{isa}.inc"


def model_context(program: Program, selection: Selection, steps: Schedule, layout: Layout) -> dict[str, Any]:
    name = model_identifier(program.name)
    used = Counter(inc_name(k.isa, k.file) for k in selection.kernels.values())
    shared = {file for file, count in used.items() if count > 1} if selection.compact else set()
    rows = {step.call: step.rows for step in steps.steps}
    calls = [call for call in program.calls if call.name in selection.kernels]
    return {
        "name": name,
        "macro": name.upper(),
        "title": comment(program.name),
        "compact": selection.compact,
        "kernel_files": sorted(set(used) - shared),
        "shared_files": sorted(shared),
        **ports_context(program, calls, layout),
        "context_bytes": align(layout.arena_bytes),
        "activation_bytes": layout.activation_bytes,
        "scratch_offset": layout.scratch_offset,
        "scratch_bytes": layout.scratch_bytes,
        "arena_bytes": layout.arena_bytes,
        "bound_note": "no packing takes less" if layout.optimal else f"the lower bound is {layout.bound_bytes}",
        "macs": ctext.thousands(ops.total_macs(program)),
        "calls": [
            call_context(program, call, i, rows[call.name], selection.kernels[call.name], layout, name)
            for i, call in enumerate(calls, start=1)
        ],
    }


@cache
def runtime_version() -> str:
    """The value of E8_RUNTIME_VERSION in e8_types.h."""
    text = (resources.runtime() / "include" / "e8_types.h").read_text(encoding="utf-8")
    return next(line.split()[2] for line in text.splitlines() if line.startswith("#define E8_RUNTIME_VERSION"))


def ports_context(program: Program, calls: list[Call], layout: Layout) -> dict[str, Any]:
    """Inputs and outputs. Where they are the caller's: which buffers calls use, which outputs are copies of others."""
    inputs = ports(program, program.inputs, layout, "input")
    outputs = ports(program, program.outputs, layout, "output")
    copies = layout.buffers.copies if layout.buffers else ()
    used = {layout.buffer(name) for call in calls for name in (*call.inputs, call.output)}
    arguments = [f"const e8_s8 *{port['function']}" for port in inputs] + [
        f"e8_s8 *{port['function']}" for port in outputs
    ]
    return {
        "inputs": inputs,
        "outputs": outputs,
        "caller": layout.buffers is not None,
        "arguments": (", " if len(arguments) == 2 else ",\n    ").join(["", *arguments]),
        "io_bytes": layout.buffers.io_bytes if layout.buffers else 0,
        "buffers": used,
        "uses_arena": None in used or layout.scratch_bytes > 0,
        "copies": [{"to": to, "source": source} for to, source in copies],
    }


def ports(program: Program, given: tuple[Port, ...], layout: Layout, kind: str) -> list[dict[str, Any]]:
    """The API of inputs or outputs: one is `<model>_input`, several carry their names."""
    found = []
    for port, function in zip(given, port_identifiers(kind, [port.name for port in given]), strict=True):
        tensor = program.tensors[port.tensor]
        found.append(
            {
                "function": function,
                "argmax": f"argmax{function.removeprefix(kind)}",
                "macro": function.upper(),
                "title": comment(port.name),
                "shape": "x".join(map(str, port.shape)) or "1",
                "dims": ", ".join(map(str, port.shape)) or "1",
                "rank": max(1, len(port.shape)),
                "size": tensor.size,
                "pixel": pixel_value(tensor) if kind == "input" else "",
                "scale": ctext.float_literal(tensor.scale),
                "zero_point": tensor.zero_point,
                "offset": layout.places[tensor.name].offset,  # in the arena, where it lies there
            }
        )
    return found


def call_context(
    program: Program, call: Call, number: int, rows: int, kernel: Kernel, layout: Layout, name: str
) -> dict[str, Any]:
    out = program.tensors[call.output]
    ins = [program.tensors[i] for i in call.inputs]
    macs = ops.get(call.op).macs(call, out.shape)
    work = f", {ctext.thousands(macs)} MAC" if macs else ""
    shapes = f"{' and '.join(shape_text(t) for t in ins)} -> {shape_text(out)}"
    return {
        "number": number,
        "name": call.name,
        "symbol": kernel.symbol,
        "note": f"{call.name}: {shapes}{work}; {place_text(ins, out, layout)}",
        "origin": [comment(origin) for origin in call.origin],
        "views_in": [view_text(layout.view(t)) for t in ins],
        "view_out": view_text(layout.view(out)),
        "rows": rows,
        "out_rows": out.shape[0],
        "row_elements": out.shape[1] * out.shape[2],
        "params": f"&{name}_{call.name}",
        "weights": weights_argument(call, kernel, name),
        "scratch": f"arena + {layout.scratch_offset}" if kernel.scratch(call) else "0",
    }


def shape_text(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) + (" planes" if tensor.order == "CHW" else "")


def place_text(ins: list[Tensor], out: Tensor, layout: Layout) -> str:
    """Which bytes a call reads and writes."""

    def span(tensor: Tensor) -> str:
        place = layout.places[tensor.name]
        return f"{place.offset}..{place.offset + place.size - 1}"

    def named(tensor: Tensor) -> str:
        return layout.buffer(tensor.name) or f"arena {span(tensor)}"

    if layout.buffers is None:
        return f"arena {' and '.join(map(span, ins))} -> {span(out)}"
    return f"{' and '.join(map(named, ins))} -> {named(out)}"


def view_text(view: View) -> str:
    base = view.buffer or f"arena + {view.offset}"
    return f"{{ {base}, {view.row}, {view.pixel}, {view.plane}, {view.ring} }}"


def weights_argument(call: Call, kernel: Kernel, name: str) -> str:
    streams = kernel.pack(call)
    if not streams:
        return "0"
    return f"&{name}_{call.name}_w" if kernel.weights_type else f"{name}_{call.name}_{next(iter(streams))}"


def constants(program: Program, selection: Selection, name: str) -> list[str]:
    """Definitions of all constant data: arrays, the structs that hold them, and Params."""
    found = []
    for call in program.calls:
        if call.name not in selection.kernels:
            continue
        kernel, op, stem = selection.kernels[call.name], ops.get(call.op), f"{name}_{call.name}"
        streams = kernel.pack(call)
        found += [ctext.array(f"{stem}_{role}", values) for role, values in streams.items()]
        if kernel.weights_type:
            members = ", ".join(f"{stem}_{role}" for role in streams)
            found.append(f"static const {kernel.weights_type} E8_ROM {stem}_w = {{ {members} }};")
        fields = ctext.wrapped(cstruct.initialiser(call.params).split(", "))
        found.append(f"static const {cstruct.struct_name(op)} E8_ROM {stem} = {{\n{fields}\n}};")
        found += overflow_proof(call, stem)
    return found


def overflow_proof(call: Call, stem: str) -> list[str]:
    """The accumulator interval of a proved call, with an assertion that it fits after the left shift."""
    if call.proof is None or call.proof.acc is None:
        return []
    low, high = hull(call.proof.acc)
    worst, lshift = max(-low, high), call.params.acc_lshift
    shown = f"{ctext.thousands(low)} <= acc <= {ctext.thousands(high)}"
    proof = f"/* whatever the input, {shown}: {accumulator_bits(call.proof)} bits */"
    return [f"{proof}\nE8_STATIC_ASSERT({worst} <= (2147483647 >> {lshift}), {stem}_acc_fits);"]


def weight_bytes(program: Program, selection: Selection) -> int:
    """Bytes of all constant arrays as the kernels store them."""
    chosen = selection.kernels
    return sum(a.nbytes for c in program.calls if c.name in chosen for a in chosen[c.name].pack(c).values())


def selftest_sums(program: Program) -> list[list[int]]:
    """The checksum of every call that has code, by vector, in the order of the trace."""
    calls = [call for call in program.calls if ops.get(call.op).has_code]
    found = []
    for number in range(vectors.COUNT):
        memory = simulate.memory(program, seeded_inputs(program, number))
        found.append([vectors.checksum(memory[call.output]) for call in calls])
    return found


def golden_hash(sums: list[list[int]]) -> int:
    """One number over all checksums."""
    golden = vectors.HASH_START
    for value in (value for row in sums for value in row):
        golden = (golden * vectors.HASH_STEP + value) & 0xFFFFFFFF
    return golden


def selftest_context(program: Program) -> dict[str, Any]:
    """Expected checksums, and the constants of the generator."""
    sums = selftest_sums(program)
    return {
        "vector_rows": [ctext.wrapped([f"0x{value:08x}u" for value in row]) if row else "" for row in sums],
        "vectors": vectors.COUNT,
        "call_count": len(sums[0]),
        "golden": f"0x{golden_hash(sums):08x}",
        "seed": f"0x{vectors.SEED:08x}",
        "rng_multiplier": vectors.MULTIPLIER,
        "rng_increment": vectors.INCREMENT,
        "hash_start": vectors.HASH_START,
        "hash_step": vectors.HASH_STEP,
    }


def seeded_inputs(program: Program, number: int) -> dict[str, Any]:
    """Vector `number` as a batch of one, spread over all inputs in order."""
    sizes = [program.tensors[port.tensor].size for port in program.inputs]
    memory, found, start = vectors.vector(number, sum(sizes)), {}, 0
    for port, size in zip(program.inputs, sizes, strict=True):
        tensor = program.tensors[port.tensor]
        found[tensor.name] = unstored(memory[None, start : start + size], tensor)
        start += size
    return found
