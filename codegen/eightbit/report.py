# SPDX-License-Identifier: Apache-2.0
"""What a build costs and how exact it is: report.json for programs, report.html for people. No dates, no paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eightbit import emit, needs, ops, plan
from eightbit.advice import added_noise, hint
from eightbit.calibration import Calibration, Fidelity
from eightbit.compilation import Compilation
from eightbit.errors import printable
from eightbit.intervals import accumulator_bits
from eightbit.memory_map import memory_map
from eightbit.program import Call, Port, Program, Tensor

Known = Mapping[str, Fidelity]  # by ONNX value
WORST = 3  # layers that the page says more about
FULL = 60.0  # dB: the longest bar
LEAST = 1e-4  # smaller shares are not told apart
EXACT = 99.0  # dB: more is float noise


def figures(build: Compilation) -> dict[str, Any]:
    """The figures of the build, in bytes and multiply-accumulates."""
    layout = build.layout
    macs = ops.total_macs(build.program)
    return {
        "name": build.emission.name,
        **build.options.json(),
        "plan": "layer",
        "activation_bytes": layout.activation_bytes,
        "arena_bound_bytes": layout.bound_bytes,
        "scratch_bytes": layout.scratch_bytes,
        "state_bytes": layout.state_bytes,
        "control_bytes": 0,
        "arena_bytes": layout.arena_bytes,
        "context_bytes": plan.align(layout.arena_bytes),
        "context_pointers": len((*build.program.inputs, *build.program.outputs)) if layout.buffers else 0,
        "io_bytes": layout.buffers.io_bytes if layout.buffers else 0,
        "weight_bytes": needs.weight_bytes(build.program, build.selection),
        "macs": macs,
        "macs_model": build.program.macs_model or macs,
        "calls": len(build.selection.kernels),
        "rescales": [found.json() for found in build.rescales],
        "notes": list(build.notes),
        "layers": build.calibration.layers() if build.calibration is not None else [],
    }


def page(build: Compilation) -> str:
    """report.html: one page that needs nothing else."""
    program, found = build.program, build.calibration
    calls = [call for call in program.calls if call.name in build.selection.kernels]
    known: Known = {} if found is None else found.fidelity
    worst = _worst(program, known)
    context = {
        "title": printable(program.name),
        "summary": _summary(build, known),
        "ports": [_port(program, port, kind) for kind, ports in _ports(program) for port in ports],
        "map": memory_map(program, build.layout, {call.output: i for i, call in enumerate(calls, start=1)}),
        "buffers": build.layout.buffers,
        "activations": _activations(build),
        "ops": sorted({call.op for call in calls}),
        "layers": [_layer(build, i, call, known, worst) for i, call in enumerate(calls, start=1)],
        "measured": bool(known),
        "worst": [_advised(program, name, known) for name in worst],
        "changes": _changes(found),
        "rescales": [printable(str(one)) for one in build.rescales],
        "notes": [printable(note) for note in build.notes],
    }
    return emit.environment(autoescape=True).get_template("report.html.j2").render(context)


def _summary(build: Compilation, known: Known) -> list[tuple[str, str, str]]:
    """Name, figure, remark."""
    said, board = figures(build), build.target
    ram = said["context_bytes"] + said["io_bytes"]
    left_out = "" if said["macs"] == said["macs_model"] else f"of {said['macs_model']:,} in the model"
    results = [_noise_at(build.program, port.tensor, known) for port in build.program.outputs]
    return [
        ("target", build.options.target, f"for {build.options.optimize}, --io {build.options.io}"),
        ("multiply-accumulates", f"{said['macs']:,}", left_out or f"in {said['calls']} calls"),
        ("RAM, bytes", f"{ram:,}", _of(board.ram_bytes, "stack apart")),
        ("flash, bytes", f"{said['weight_bytes']:,}", _of(board.flash_bytes, "constants; code apart")),
        ("SQNR at the result", ", ".join(results), "dB, on calibration samples" if known else "built without samples"),
    ]


def _of(limit: int | None, note: str) -> str:
    return note if limit is None else f"of {limit:,}; {note}"


def _noise_at(program: Program, tensor: str, known: Known) -> str:
    """Of an output; before a softmax, as `eightbit evaluate` measures it."""
    producer = program.producer(tensor)
    before = producer.inputs[0] if producer is not None and producer.op == "softmax" else tensor
    return _decibels(known.get(program.tensors[before].value)) or "not known"


def _decibels(found: Fidelity | None) -> str:
    if found is None:
        return ""
    if found.sqnr_db is None:
        return "-"  # nothing differs, or all is zero
    return "exact" if found.sqnr_db > EXACT else f"{found.sqnr_db:.1f}"


def _ports(program: Program) -> tuple[tuple[str, tuple[Port, ...]], ...]:
    return ("input", program.inputs), ("output", program.outputs)


def _port(program: Program, port: Port, kind: str) -> dict[str, str]:
    tensor = program.tensors[port.tensor]
    return {
        "kind": kind,
        "name": printable(port.name),
        "shape": " x ".join(map(str, port.shape)) or "1",
        "scale": f"{tensor.scale:.6g}",
        "zero_point": str(tensor.zero_point),
    }


def _activations(build: Compilation) -> str:
    layout = build.layout
    verdict = "no packing takes less" if layout.optimal else f"the lower bound is {layout.bound_bytes:,}"
    return f"{layout.activation_bytes:,} bytes of activations ({verdict})" + (
        f", {layout.scratch_bytes:,} bytes of scratch" if layout.scratch_bytes else ""
    )


def _layer(build: Compilation, number: int, call: Call, known: Known, worst: Sequence[str]) -> dict[str, Any]:
    """A row of the table."""
    program, kernel = build.program, build.selection.kernels[call.name]
    out, found = program.tensors[call.output], known.get(program.tensors[call.output].value)
    macs = ops.get(call.op).macs(call, out.shape)
    size = sum(array.nbytes for array in kernel.pack(call).values())
    bits = accumulator_bits(call.proof) if call.proof else None
    level = EXACT if found is None or found.sqnr_db is None else found.sqnr_db
    return {
        "number": number,
        "name": call.name,
        "op": call.op,
        "shape": _shape(out),
        "macs": f"{macs:,}" if macs else "",
        "bytes": f"{size:,}" if size else "",
        "bits": "" if bits is None else str(bits),
        "kernel": kernel.symbol,
        "origin": printable(", ".join(call.origin)),
        "decibels": _decibels(found),
        "bar": f"{100 * min(max(level, 0.0), FULL) / FULL:.0f}",
        "clipped": _share(found.clipped) if found is not None else "",
        "worst": call.name in worst,
    }


def _share(part: float) -> str:
    return "" if part == 0 else f"{100 * part:.2g} %" if part >= LEAST else f"< {100 * LEAST:g} %"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))


def _worst(program: Program, known: Known) -> list[str]:
    """The calls that add most noise, the worst first."""
    added = added_noise(program, known)
    return [name for name in sorted(added, key=lambda name: -added[name])[:WORST] if added[name] > 0]


def _advised(program: Program, name: str, known: Known) -> dict[str, str]:
    tensor = program.tensors[name]  # a tensor has the name of the call that makes it
    found = known[tensor.value]
    return {"name": name, "decibels": _decibels(found), "hint": hint(program, tensor, found)}


def _changes(found: Calibration | None) -> list[dict[str, str]]:
    """What equalisation and coordinate descent did, by ONNX value."""
    rows = []
    for layer in found.layers() if found is not None else []:
        gains, moved = layer.get("gains"), layer.get("roundings")
        if gains or moved:
            rows.append(
                {
                    "layer": printable(layer["layer"]),
                    "gains": f"{gains['scaled']} of {gains['channels']}, up to {gains['largest']:.4g}" if gains else "",
                    "gain_db": _gained(gains, "predicted_db"),
                    "moved": f"{moved['moved']:,} of {moved['weights']:,}" if moved else "",
                    "moved_db": _gained(moved, "measured_db"),
                }
            )
    return rows


def _gained(figures: dict[str, Any] | None, key: str) -> str:
    return "" if figures is None or figures[key] is None else f"{figures[key]:.1f}"
