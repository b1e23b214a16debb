# SPDX-License-Identifier: Apache-2.0
"""Every target x {digits_mlp, digits_cnn, kws, ic, vww, ad} in its emulator: differing bytes, or why it was left out.

`python benchmarks/targets.py [--quick] [--targets NAME ...] [--networks NAME ...] [--json FILE] [--readme]`: needs
EIGHTBIT_MODELS and the tools of all targets (`make toolchains`). Each cell runs the self-test's vectors twice and
compares every row of every call; LONG ones run evaluation samples too. `--quick`: the large networks on few targets.
Exit status 1 if a byte differs, a program fails, a self-test has another hash, or a tool is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from readme import TARGETS, table, update

import eightbit
import real
from eightbit import on_target, target
from eightbit.errors import EightbitError
from eightbit.execution import toolchain

NETWORKS = {name: (real.NETWORKS | real.TINY)[name] for name in ("digits_mlp", "digits_cnn", "kws", "ic", "vww", "ad")}
LARGE = ("ic", "vww", "ad")
QUICK = ("cortex-m4", "cortex-m55-clang")  # where --quick runs the large ones too
LONG = {"cortex-m4": ("digits_mlp", "digits_cnn", "kws")}
LONG_SAMPLES = 200
HASHED = "digits_mlp"  # the smallest: its self-test runs everywhere
MARK = "table of benchmarks/targets.py"
SHORT = "sum of benchmarks/targets.py"
Cell = dict[str, Any]


def compile_all(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """A build of each network for `generic`; targets emit its program again for themselves."""
    nets = [NETWORKS[name] for name in names]
    builds = [eightbit.compile(real.path(net), real.calibration(net), name=net.name) for net in nets]
    return {net.name: build.write(folder / net.name) for net, build in zip(nets, builds, strict=True)}


def cell(out: Path, chip: str, samples: int = 0) -> Cell:
    """One network on one target, on seeded vectors or on so many evaluation samples."""
    net, start = NETWORKS[out.name], time.perf_counter()
    x = {net.input: real.samples(net, "eval", slice(samples))[net.input]} if samples else None
    (row,) = on_target.verify_all(out, x, True, toolchain.DEFAULT_FLAGS, [chip])
    return {"network": net.name, "samples": samples, "seconds": round(time.perf_counter() - start, 1), **asdict(row)}


def selftest(out: Path, chip: str) -> Cell:
    """What the self-test's last line says on a target."""
    try:
        result = on_target.selftest_on(out, chip)
    except EightbitError as error:
        return {"target": chip, "status": "fails", "hash": "", "why": str(error)}
    return {"target": chip, "status": "same" if result.ok else "differs", "hash": result.golden, "why": result.verdict}


def chosen(chip: str, names: Sequence[str], quick: bool) -> list[str]:
    return [name for name in names if not quick or name not in LARGE or chip in QUICK]


def shown(found: Cell | None) -> str:
    """A cell of the table: differing of compared bytes, or why there are none."""
    if found is None:
        return ""
    if found["compared_bytes"]:
        return f"{found['differing_bytes']:,} of {found['compared_bytes']:,}"
    return found["why"] if found["status"] == "too small" else f"{found['status']}: {found['why']}"


def grid(cells: Sequence[Cell], hashes: Sequence[Cell], names: Sequence[str]) -> list[dict[str, str]]:
    """A row for each target, a column for each network."""
    by_place = {(one["target"], one["network"]): one for one in cells if not one["samples"]}
    by_target = {one["target"]: one for one in hashes}
    rows = []
    for chip in dict.fromkeys(one["target"] for one in cells):
        machine = next(one["machine"] for one in cells if one["target"] == chip)
        row = {"target": chip, "machine": machine, "self-test": by_target.get(chip, {}).get("hash", "")}
        rows.append(row | {name: shown(by_place.get((chip, name))) for name in names})
    return rows


def summary(cells: Sequence[Cell], hashes: Sequence[Cell]) -> list[dict[str, str]]:
    """The table of docs/targets.md: what ran, and what does not fit."""
    rows, by_target = [], {one["target"]: one["hash"] for one in hashes}
    for chip in dict.fromkeys(one["target"] for one in cells):
        mine = [one for one in cells if one["target"] == chip and not one["samples"]]
        ran = [one for one in mine if one["compared_bytes"]]
        bits = f"{sum(one['differing_bytes'] for one in ran):,} of {sum(one['compared_bytes'] for one in ran):,}"
        left = "; ".join(f"{one['network']}: {one['why']}" for one in mine if not one["compared_bytes"])
        networks = ", ".join(one["network"] for one in ran)
        row = {"target": chip, "machine": mine[0]["machine"], f"self-test of {HASHED}": by_target.get(chip, "")}
        rows.append(row | {"ran": networks, "differing bytes": bits, "does not fit": left})
    return rows


def in_short(cells: Sequence[Cell]) -> str:
    """The README's sentence: how much was compared, and how much of it differs."""
    ran = [one for one in cells if one["compared_bytes"] and not one["samples"]]
    networks, targets = (len({one[key] for one in ran}) for key in ("network", "target"))
    differing, compared = (sum(one[key] for one in ran) for key in ("differing_bytes", "compared_bytes"))
    return f"**{networks} networks on {targets} targets: {differing:,} of {compared:,} bytes differ.**"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--targets", nargs="+", default=[n for n in target.names() if target.load(n).runs])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=NETWORKS)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--readme", action="store_true")
    args = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(args.jobs) as pool:
        outs = compile_all(args.networks, Path(folder))
        places = [(chip, name, 0) for chip in args.targets for name in chosen(chip, args.networks, args.quick)]
        places += [(c, n, LONG_SAMPLES) for c in args.targets for n in LONG.get(c, ()) if n in outs]
        cells = list(pool.map(lambda place: cell(outs[place[1]], place[0], place[2]), places))
        emulated = [chip for chip in args.targets if target.load(chip).emulated and HASHED in outs]
        hashes = list(pool.map(lambda chip: selftest(outs[HASHED], chip), emulated))
    print(table(grid(cells, hashes, args.networks)))
    long = [one for one in cells if one["samples"]]
    print("\n".join(f"{one['target']} {one['network']} {one['samples']} samples: {shown(one)}" for one in long))
    slow = sorted(cells, key=lambda one: -one["seconds"])[:3]
    slowest = ", ".join(f"{one['network']} on {one['target']} {one['seconds']} s" for one in slow)
    print(f"{time.perf_counter() - start:.0f} s; the slowest: {slowest}")
    if args.readme:
        update(table(summary(cells, hashes)), MARK, TARGETS)
        update(in_short(cells), SHORT)
    if args.json:
        args.json.write_text(json.dumps({"cells": cells, "hashes": hashes}, indent=1))
    bad = [one for one in [*cells, *hashes] if one["status"] not in {"same", "too small"}]
    print("\n".join(f"MISSED {one['target']} {one.get('network', 'self-test')}: {one['why']}" for one in bad))
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
