# SPDX-License-Identifier: Apache-2.0
"""Layout -> C: finished strings for the templates, which only place them. No floats, no paths, no dates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from eightbit import ops, resources
from eightbit.emission import ctext, selftest
from eightbit.emission.constants import definitions, weights_argument
from eightbit.emission.runtime import inc_name, runtime_files, versioned
from eightbit.ir.program import Call, Port, Program, Tensor
from eightbit.kernels.kernel import Kernel
from eightbit.names import comment, model_identifier, port_identifiers
from eightbit.planning.plan import Layout, View, align
from eightbit.planning.schedule import Schedule
from eightbit.planning.select import Selection
from eightbit.ptq.input_ranges import pixel_value


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
        f"{name}_weights.inc": render("weights.inc.j2", context | {"constants": definitions(program, selection, name)}),
        f"{name}_selftest.c": render("selftest.c.j2", context | selftest.template_context(program)),
    }
    files |= runtime_files(selection)
    return Emission(name, {file: versioned(file, text) for file, text in files.items()})


def render(template: str, context: Mapping[str, Any]) -> str:
    return environment().get_template(template).render(context)


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
