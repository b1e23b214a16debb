# SPDX-License-Identifier: Apache-2.0
"""Buffers of the caller: which tensors lie in them, that no call writes an input, and that the C uses them so."""

from __future__ import annotations

import re

from eightbit.audit import read_c
from eightbit.audit.arena import PLACES, homes_of
from eightbit.audit.read import json_of
from eightbit.audit.source import Source

BUFFERS = "buffers of the caller"


def buffers(it: Source) -> None:
    """Plan, header and code of a build with `--io caller`; and that there are none in another."""
    stated = json_of(it.folder / "manifest.json").get("options")
    io = stated.get("io", "arena") if isinstance(stated, dict) else None
    caller = it.plan.io_bytes is not None
    it.ledger.equal(PLACES, "manifest.json", "its option io", io, "caller" if caller else "arena")
    inputs, outputs = it.port_names("INPUT"), it.port_names("OUTPUT")
    if not caller:
        places = it.plan.places.items()
        outside = [f"tensor {name}" for name, place in places if place.buffer is not None]
        outside += [f"copy {to}" for to, _ in it.plan.copies]
        it.ledger.equal(PLACES, "plan.txt", "what it has in buffers without io_bytes", outside, [])
        return
    if (len(inputs), len(outputs)) != (len(it.program.inputs), len(it.program.outputs)):
        return  # said of the header already
    _places(it, inputs, outputs)
    _code(it, inputs, outputs)


def _places(it: Source, inputs: list[str], outputs: list[str]) -> None:
    """Each input in its own buffer; each output in that of the first output it is, unless it is an input."""
    homes, plan, where = homes_of(it.program), it.plan, "plan.txt"
    expected = {port.tensor: name for port, name in zip(it.program.inputs, inputs, strict=True)}
    copies = []
    for port, name in zip(it.program.outputs, outputs, strict=True):
        home = homes[port.tensor]
        if home in expected:
            copies.append((name, expected[home]))
        else:
            expected[home] = name
    for name, home in homes.items():
        place, buffer = plan.places[name], expected.get(home)
        it.ledger.equal(BUFFERS, f"{where}, tensor {name}", "its buffer", place.buffer, buffer)
        if buffer is not None:
            it.ledger.equal(BUFFERS, f"{where}, tensor {name}", "its offset in a buffer", place.offset, 0)
    for call in it.program.coded:
        written = plan.places[call.name].buffer
        it.ledger.expect(BUFFERS, f"{where}, tensor {call.name}", written not in inputs, "a call writes an input")
    it.ledger.equal(BUFFERS, where, "its copies", list(plan.copies), copies)
    size = sum(it.program.tensors[port.tensor].size for port in (*it.program.inputs, *it.program.outputs))
    it.ledger.equal(BUFFERS, where, "io_bytes", plan.io_bytes, size)


def _code(it: Source, inputs: list[str], outputs: list[str]) -> None:
    """What init, bind and run do with the pointers, in the order of the ports."""
    where, code, every = f"{it.name}.c", read_c.code(it.text(f"{it.name}.c")), [*inputs, *outputs]
    macro, header = it.macro, f"{it.name}.h"
    arguments = [f"const e8_s8 *{name}" for name in inputs] + [f"e8_s8 *{name}" for name in outputs]
    for file, end in ((header, ";"), (where, "")):
        found = re.search(rf"{it.name}_bind\(\w+ \*ctx,\s*([^)]*)\){end}", read_c.code(it.text(file)))
        stated = [item.strip() for item in found[1].split(",")] if found else []
        it.ledger.equal(BUFFERS, file, "what is bound", stated, arguments)
    used = {it.plan.places[name].buffer for call in it.program.coded for name in (*call.inputs, call.name)}
    facts = (
        ("the pointers that init clears", r"ctx->(\w+) = 0;", every),
        ("the pointers that must be bound", rf"if \(!ctx->(\w+)\)\s*return {macro}_NO_BUFFER;", every),
        ("the pointers that bind sets", r"ctx->(\w+) = ([a-z_]\w*);", [(name, name) for name in every]),
        ("the inputs of a run", r"\b(\w+) = \(e8_s8 \*\)ctx->(\w+);", [(n, n) for n in inputs if n in used]),
        ("the outputs of a run", r"\b(\w+) = ctx->(output\w*);", [(n, n) for n in outputs if n in used]),
        ("its copies", read_c.COPY.pattern, [(f"{macro}_{to}".upper(), to, source) for to, source in it.plan.copies]),
    )
    for name, pattern, expected in facts:
        it.ledger.equal(BUFFERS, where, name, re.findall(pattern, code), expected)
