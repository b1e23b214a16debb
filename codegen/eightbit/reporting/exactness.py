# SPDX-License-Identifier: Apache-2.0
"""What report.html says of how exact inputs and layers are: figures as text, and what its drawings are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Call, Program, Tensor
from eightbit.ptq.calibration import Calibration, Fidelity
from eightbit.ptq.histogram import Histogram
from eightbit.reporting.advice import added_noise, hint
from eightbit.reporting.charts import Level, spread

Known = Mapping[str, Fidelity]  # by ONNX value
WORST = 3  # layers that the page says more about
LEAST = 1e-4  # smaller shares are not told apart
EXACT = 99.0  # dB: more is float noise


def decibels(found: Fidelity | None) -> str:
    """A ratio as text; "" where it is not known."""
    if found is None:
        return ""
    if found.sqnr_db is None:
        return "-"  # nothing differs, or all is zero
    return "exact" if found.sqnr_db > EXACT else f"{found.sqnr_db:.1f}"


def share(part: float) -> str:
    """A fraction of the values as per cent; "" for none."""
    return "" if part == 0 else f"{100 * part:.2g} %" if part >= LEAST else f"< {100 * LEAST:g} %"


def span(tensor: Tensor) -> str:
    """The real values that a tensor can hold."""
    low, high = ((end - tensor.zero_point) * tensor.scale for end in (S8_MIN, S8_MAX))
    return f"{low:.4g} to {high:.4g}"


def worst(program: Program, known: Known) -> list[str]:
    """The calls that add most noise, the worst first."""
    added = added_noise(program, known)
    return [name for name in sorted(added, key=lambda name: -added[name])[:WORST] if added[name] > 0]


def advised(program: Program, name: str, known: Known) -> dict[str, str]:
    """What to do about a call."""
    tensor = program.tensors[name]  # a tensor has the name of the call that makes it
    found = known[tensor.value]
    return {"name": name, "decibels": decibels(found), "hint": hint(program, tensor, found)}


def _named(program: Program, calls: Sequence[Call]) -> list[tuple[str, Tensor]]:
    """Inputs and outputs of calls in network order, and the numbers that the page has for them."""
    inputs = [("in", program.tensors[port.tensor]) for port in program.inputs]
    return [*inputs, *((str(i), program.tensors[call.output]) for i, call in enumerate(calls, start=1))]


def levels(program: Program, calls: Sequence[Call], known: Known, marked: Sequence[str]) -> list[Level]:
    """The ratio of every input and layer that it is known of."""
    return [
        Level(
            number=number,
            name=tensor.name,
            decibels=found.sqnr_db,
            text=decibels(found) if found.sqnr_db is None or found.sqnr_db > EXACT else f"{decibels(found)} dB",
            rank=marked.index(tensor.name) + 1 if tensor.name in marked else 0,
        )
        for number, tensor in _named(program, calls)
        if (found := known.get(tensor.value)) is not None
    ]


def lowest(found: Sequence[Level]) -> Level | None:
    """The first of those that are least exact."""
    known = [level for level in found if level.decibels is not None]
    return min(known, key=lambda level: level.decibels or 0.0, default=None)


def spreads(
    program: Program, calls: Sequence[Call], found: Calibration | None, marked: Sequence[str]
) -> list[dict[str, Any]]:
    """How the values of every input and layer lie on the s8 range."""
    known = {} if found is None else found.histograms
    return [
        _spread(tensor, known[tensor.value]) | {"worst": tensor.name in marked}
        for _, tensor in _named(program, calls)
        if tensor.value in known
    ]


def _spread(tensor: Tensor, found: Histogram) -> dict[str, Any]:
    clipped = (found.below + found.above) / found.total
    return {
        "name": tensor.name,
        "drawing": spread(found, tensor.zero_point),
        "range": span(tensor),
        "clipped": f"{share(clipped)} clipped" if clipped else "",
        "notable": clipped >= LEAST,
    }
