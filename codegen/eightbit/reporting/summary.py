# SPDX-License-Identifier: Apache-2.0
"""The first lines of report.html: what the build takes, and how good its results are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eightbit.compilation import Compilation
from eightbit.ir.program import Program
from eightbit.reporting.exactness import Known, decibels

Result = Mapping[str, Any] | None  # figures of `evaluate`


def summary(build: Compilation, said: Mapping[str, Any], known: Known) -> list[tuple[str, str, str]]:
    """Name, figure and remark, of what `said` holds for report.json."""
    board = build.target
    ram = said["context_bytes"] + said["io_bytes"]
    left_out = "" if said["macs"] == said["macs_model"] else f"of {said['macs_model']:,} in the model"
    return [
        ("target", build.options.target, f"for {build.options.optimize}, --io {build.options.io}"),
        ("multiply-accumulates", f"{said['macs']:,}", left_out or f"in {said['calls']} calls"),
        ("RAM, bytes", f"{ram:,}", _of(board.ram_bytes, "stack apart")),
        ("flash, bytes", f"{said['weight_bytes']:,}", _of(board.flash_bytes, "constants; code apart")),
        _quality(said["on_calibration_samples"], said["on_test_samples"]),
        _sqnr(build, known, said["on_test_samples"]),
    ]


def _quality(calibrated: Result, tested: Result) -> tuple[str, str, str]:
    """The accuracy, or what is known in its place."""
    found = tested or calibrated
    if found is None:
        return "accuracy", "not known", "compile --test test.npz tells it"
    where = f"{found['samples']:,} " + ("test samples" if tested else "calibration samples, no test")
    if "reconstruction_float" in found:
        pair = f"{found['reconstruction_float']:.4g} / {found['reconstruction_fixed']:.4g}"
        return "mean squared error", pair, f"float / fixed, of the reconstruction of {where}"
    agreement = f"{100 * found['agreement']:.2f}"
    if found["accuracy_float"] is None:
        return "same class as float, %", agreement, f"of {where}"
    pair = f"{100 * found['accuracy_float']:.2f} / {100 * found['accuracy_fixed']:.2f}"
    return "accuracy, %", pair, f"float / fixed, on {where}; the same class on {agreement} %"


def _sqnr(build: Compilation, known: Known, tested: Result) -> tuple[str, str, str]:
    results = ", ".join(_noise_at(build.program, port.tensor, known) for port in build.program.outputs)
    on_calibration = "dB, on calibration samples" if known else "built without samples"
    if tested is None:
        return "SQNR at the result", results, on_calibration
    figure = "-" if tested["sqnr_db"] is None else f"{tested['sqnr_db']:.1f}"
    also = f"; {results} on the calibration's" if known else ""
    return "SQNR at the result", figure, f"dB, on {tested['samples']:,} test samples{also}"


def _of(limit: int | None, note: str) -> str:
    return note if limit is None else f"of {limit:,}; {note}"


def _noise_at(program: Program, tensor: str, known: Known) -> str:
    """Of an output; before a softmax, as `eightbit evaluate` measures it."""
    producer = program.producer(tensor)
    before = producer.inputs[0] if producer is not None and producer.op == "softmax" else tensor
    return decibels(known.get(program.tensors[before].value)) or "not known"
