# SPDX-License-Identifier: Apache-2.0
"""What `eightbit bench` shows a reader: a line that sums up, a table of the calls, and one of the sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eightbit.console import OUT

WIDTH = 150  # columns that a table may need: figures are not cut for a narrower terminal
SIZES = {
    "code": "code_bytes",
    "constants": "weight_bytes",
    "flash": "flash_bytes",
    "arena": "arena_bytes",
    "context": "context_bytes",
    "buffers of the caller": "io_bytes",
    "other static": "static_bytes",
    "stack, painted": "stack_bytes",
    "stack, bound of the compiler": "stack_bound_bytes",
    "RAM": "ram_bytes",
}


def show(found: Mapping[str, Any]) -> None:
    """Print the JSON document of a bench, on a target or on the host."""
    wide = Console(highlight=False, width=max(OUT.width, WIDTH))
    for part in _parts(found):
        wide.print(part, markup=False, soft_wrap=isinstance(part, str))


def _parts(found: Mapping[str, Any]) -> Iterator[str | Table]:
    yield _headline(found)
    if found.get("cycles_formula"):
        yield f"cycles: {found['cycles_formula']}"
    if not found.get("released_code", True):
        yield "the compiler makes other code without debug information: a few instructions may differ from a release"
    yield _layers(found)
    yield _sizes(found)
    yield f"{found['compiler']} {' '.join(found['flags'])}; {found['machine']}; {found['emulator'] or 'this machine'}"


def _headline(found: Mapping[str, Any]) -> str:
    start = f"{found['target']}, {found['macs']:,} MAC: "
    if "microseconds" in found:
        time = found["microseconds"]
        spread = f"{time['low']:,} to {time['high']:,} for eight tenths of {found['runs']} runs"
        return f"{start}median {time['median']:,} us ({spread})"
    if found["instructions"] is None:
        return f"{start}this target's emulator does not count"
    each = f", {found['instructions_per_mac']:.2f} per MAC" if found["macs"] else ""
    about = "" if found["cycles_estimate"] is None else f"; about {found['cycles_estimate']:,} cycles"
    about = about if found["cycles"] is None else f"; {found['cycles']:,} cycles"
    return f"{start}{found['instructions']:,} instructions in the second inference{each}{about}"


def _layers(found: Mapping[str, Any]) -> Table:
    timed, classes = "microseconds" in found, found.get("classes") or ()
    heads = ["us", "low", "high"] if timed else ["instructions", "per MAC", *classes, "cycles"]
    table = Table("call", "MAC", *heads, "kernel", box=SIMPLE_HEAD, padding=(0, 1))
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[1:-1]:
        column.justify = "right"
    for layer in found["layers"]:
        figures = layer["microseconds"].values() if timed else _counted(layer, classes)
        table.add_row(escape(layer["call"]), *map(_cell, (layer["macs"], *figures)), escape(layer["kernel"]))
    if not timed and found["around_instructions"] is not None:
        table.add_row("entry, return", "", _cell(found["around_instructions"]))
    return table


def _counted(layer: Mapping[str, Any], classes: Iterable[str]) -> list[Any]:
    """Classes as shares of the call's instructions."""
    total, kinds = layer["instructions"], layer["classes"] or {}
    shares = [f"{100 * kinds[kind] / total:.0f} %" if kinds and total else None for kind in classes]
    return [total, layer["instructions_per_mac"], *shares, layer["cycles"] or layer["cycles_estimate"]]


def _sizes(found: Mapping[str, Any]) -> Table:
    table = Table("bytes", "", "code by function", "", box=SIMPLE_HEAD, padding=(0, 1))
    table.columns[1].justify = table.columns[3].justify = "right"
    sizes = [(name, _cell(found[key])) for name, key in SIZES.items()]
    codes = [(name, _cell(size)) for name, size in found["functions"].items()]
    codes += [(f"{name} (compiler's library)", _cell(size)) for name, size in found["library"].items()]
    for row in range(max(len(sizes), len(codes))):
        left, right = (both[row] if row < len(both) else ("", "") for both in (sizes, codes))
        table.add_row(*map(escape, (*left, *right)))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
