# SPDX-License-Identifier: Apache-2.0
"""Every target x {digits_mlp, digits_cnn, kws, ic, vww, ad}: instructions, flash, RAM and stack, as `eightbit bench`.

`python benchmarks/target_costs.py [--targets NAME ...] [--networks NAME ...] [--jobs N] [--json FILE] [--readme]`:
needs EIGHTBIT_MODELS and the tools of all targets (`make toolchains`). Built at -O2; SMALL for size at -Os too.
Exit status 1 if a program fails or a tool is missing; a network that does not fit says the bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from readme import TARGETS, table, update
from targets import NETWORKS, compile_all  # puts the tests' folder on the path

import eightbit
import real
from eightbit import machine, on_target, target
from eightbit.errors import BudgetError, EightbitError
from eightbit.execution import toolchain

SMALL = ("kws",)
LEVELS = ("-O2", "-Os")
MARK = "costs of benchmarks/target_costs.py"
SHORT = "costs in short, of benchmarks/target_costs.py"
SHOWN = ("cortex-m0plus", "cortex-m4", "cortex-m7", "cortex-m55-clang", "rv32imc", "xtensa-lx106", "hexagon")
Cell = dict[str, Any]


def measured() -> list[str]:
    """The targets whose programs are ELF files that an emulator runs."""
    chips = [target.load(name) for name in target.names()]
    return [chip.name for chip in chips if chip.emulated and chip.machine != machine.WASM]


def for_size(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Builds made with --optimize size."""
    nets = [NETWORKS[name] for name in names]
    builds = [eightbit.compile(real.path(n), real.calibration(n), name=n.name, optimize="size") for n in nets]
    return {net.name: build.write(folder / net.name) for net, build in zip(nets, builds, strict=True)}


def cell(out: Path, chip: str, level: str) -> Cell:
    """One network on one target, or why not: `failed` "" where it just does not fit."""
    about: Cell = {"network": out.name, "target": chip, "level": level, "failed": ""}
    try:
        return about | on_target.bench_on(out, chip, None, (level,)).json()
    except BudgetError as error:
        return about | {"why": f"{error.needed:,} bytes of {error.memory}, {error.available:,} there"}
    except EightbitError as error:
        missing = isinstance(error, toolchain.MissingToolError)
        return about | {"failed": "no tools" if missing else error.what, "why": error.hint if missing else error.why}


def figure(found: Cell, key: str) -> str:
    """A figure of a cell; "-" where there is none."""
    value = found.get(key)
    if value is None:
        return "-"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def grid(cells: Sequence[Cell]) -> list[dict[str, str]]:
    """Everything, a row for each cell."""
    keys = (
        "instructions instructions_per_mac cycles cycles_estimate code_bytes weight_bytes ram_bytes stack_bytes "
        "stack_bound_bytes"
    ).split()
    about = ("target", "network", "level")
    return [
        {name: one[name] for name in about} | {key: figure(one, key) for key in keys} | {"why not": one.get("why", "")}
        for one in cells
    ]


def counts(cells: Sequence[Cell], names: Sequence[str]) -> list[dict[str, str]]:
    """Instructions, and how many for a multiply-accumulate; or that the network does not fit."""
    by_place = {(one["target"], one["network"]): one for one in cells if one["level"] == LEVELS[0]}
    rows = []
    for chip in dict.fromkeys(one["target"] for one in cells):
        found = {name: by_place[chip, name] for name in names if (chip, name) in by_place}
        texts = {
            name: f"{figure(one, 'instructions')} ({figure(one, 'instructions_per_mac')})"
            for name, one in found.items()
        }
        texts |= {name: "fails" if one["failed"] else "does not fit" for name, one in found.items() if "why" in one}
        if any("instructions" in one and one["instructions"] is not None for one in found.values()):
            rows.append({"target": chip, **texts})
    return rows


def sizes(cells: Sequence[Cell], network: str) -> list[dict[str, str]]:
    """Flash and RAM of one network."""
    rows = []
    for chip in dict.fromkeys(one["target"] for one in cells):
        mine = {one["level"]: one for one in cells if (one["target"], one["network"]) == (chip, network)}
        fast, small = (mine.get(level, {}) for level in LEVELS)
        if "code_bytes" not in fast:
            continue
        bound = figure(fast, "stack_bound_bytes")
        rows.append(
            {
                "target": chip,
                "code -O2": figure(fast, "code_bytes"),
                "code for size, -Os": figure(small, "code_bytes"),
                "constants": figure(fast, "weight_bytes"),
                "RAM": figure(fast, "ram_bytes"),
                "of it stack (the compiler's bound)": f"{figure(fast, 'stack_bytes')} ({bound})",
            }
        )
    return rows


def in_short(cells: Sequence[Cell]) -> list[dict[str, str]]:
    """The README's table: one network on the targets that are SHOWN."""
    network = SMALL[0]
    work = {row["target"]: row[network] for row in counts(cells, [network])}
    return [
        {"target": row["target"], "instructions (per MAC)": work[row["target"]]} | row
        for row in sizes(cells, network)
        if row["target"] in SHOWN
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", nargs="+", default=measured())
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--readme", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        outs = compile_all(args.networks, Path(folder))
        places = [(name, chip, LEVELS[0]) for chip in args.targets for name in args.networks]
        small = for_size([name for name in SMALL if name in outs], Path(folder) / "size")
        places += [(name, chip, LEVELS[1]) for chip in args.targets for name in small]
        folders = {LEVELS[0]: outs, LEVELS[1]: small}
        cells = list(pool.map(lambda place: cell(folders[place[2]][place[0]], place[1], place[2]), places))
    print(table(grid(cells)))
    if args.readme:
        update(f"{table(counts(cells, args.networks))}\n\n{table(sizes(cells, SMALL[0]))}", MARK, TARGETS)
        update(table(in_short(cells)), SHORT)
    if args.json:
        args.json.write_text(json.dumps(cells, indent=1))
    bad = [one for one in cells if one["failed"]]
    print("\n".join(f"MISSED {one['target']} {one['network']}: {one['failed']}: {one['why']}" for one in bad))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
