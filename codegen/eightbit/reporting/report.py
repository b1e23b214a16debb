# SPDX-License-Identifier: Apache-2.0
"""What a build costs and how exact it is: report.json for programs, report.html for people. No dates, no paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eightbit import ops
from eightbit.compilation import Compilation
from eightbit.emission import emit
from eightbit.errors import printable
from eightbit.ir.intervals import accumulator_bits
from eightbit.ir.program import Call, Port, Program, Tensor
from eightbit.planning import needs, plan
from eightbit.ptq.calibration import Calibration
from eightbit.reporting import exactness
from eightbit.reporting.charts import level_chart
from eightbit.reporting.exactness import Known
from eightbit.reporting.memory_map import memory_map
from eightbit.reporting.summary import summary

FULL = 60.0  # dB: the longest bar of the table


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
        "on_calibration_samples": build.calibration.result if build.calibration is not None else None,
        "on_test_samples": build.tested,
        "rescales": [found.json() for found in build.rescales],
        "notes": list(build.notes),
        "layers": build.calibration.layers() if build.calibration is not None else [],
    }


def page(build: Compilation) -> str:
    """report.html: one page that needs nothing else."""
    program, found = build.program, build.calibration
    calls = [call for call in program.calls if call.name in build.selection.kernels]
    known: Known = {} if found is None else found.fidelity
    worst = exactness.worst(program, known)
    levels = exactness.levels(program, calls, known, worst)
    context = {
        "title": printable(program.name),
        "summary": summary(build, figures(build), known),
        "ports": [_port(program, port, kind) for kind, ports in _ports(program) for port in ports],
        "map": memory_map(program, build.layout, {call.output: i for i, call in enumerate(calls, start=1)}),
        "buffers": build.layout.buffers,
        "activations": _activations(build),
        "ops": sorted({call.op for call in calls}),
        "levels": level_chart(levels),
        "lowest": exactness.lowest(levels),
        "layers": [_layer(build, i, call, known, worst) for i, call in enumerate(calls, start=1)],
        "spreads": exactness.spreads(program, calls, found, worst),
        "unknown": _unknown(build),
        "measured": bool(known),
        "worst": [exactness.advised(program, name, known) for name in worst],
        "changes": _changes(found),
        "rescales": [printable(str(one)) for one in build.rescales],
        "notes": [printable(note) for note in build.notes],
    }
    return emit.environment(autoescape=True).get_template("report.html.j2").render(context)


def _unknown(build: Compilation) -> str:
    """Why something that only samples tell is not known."""
    if build.calibration is not None:
        return "this build was made from a calibration.json of another version of eightbit"
    return "this build was made from a program.txt, without samples"


def _ports(program: Program) -> tuple[tuple[str, tuple[Port, ...]], ...]:
    return ("input", program.inputs), ("output", program.outputs)


def _port(program: Program, port: Port, kind: str) -> dict[str, str]:
    tensor = program.tensors[port.tensor]
    return {
        "kind": kind,
        "name": printable(port.name),
        "shape": " x ".join(map(str, port.shape)) or "1",
        "range": exactness.span(tensor),
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
    level = exactness.EXACT if found is None or found.sqnr_db is None else found.sqnr_db
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
        "decibels": exactness.decibels(found),
        "bar": f"{100 * min(max(level, 0.0), FULL) / FULL:.0f}",
        "clipped": exactness.share(found.clipped) if found is not None else "",
        "worst": call.name in worst,
    }


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape))


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
