# SPDX-License-Identifier: Apache-2.0
"""Accumulator bits per layer, and how near every requantisation, pool and sum comes to exact rational arithmetic.

`python benchmarks/exactness.py [--channels 100] [--graphs 60] [--sums 200] [--seed 1]`: needs EIGHTBIT_MODELS; prints
Markdown. Exit status 1 if a requantisation with constant weights differs from its rational anywhere in its proven
interval, if a pool or sum leaves its bound, if a byte of C differs in a layer with a left shift, or if a network needs
more than 24 bits (a DSP's accumulator; float32 sums are exact then, too).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from readme import table

import eightbit
import exact
import large_factors
import real
from eightbit import ops, pipeline
from eightbit.frontend import load
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.intervals import accumulator_bits
from eightbit.ir.optimize import optimize
from eightbit.ir.program import Call, Program, Tensor
from eightbit.ops import add
from eightbit.ops.linear import Linear
from eightbit.ptq.quantize import quantize
from random_graphs import random_model

# Bits that the official int8 networks need (vww: its live channels). Their weights have one scale per layer in ad.
OFFICIAL = {"kws": 21, "ic": 23, "vww": 21, "ad": 22}
MOST_BITS = 24
DIGITS = ("digits_cnn", "digits_mlp")
GRAPHS = 30_001  # first seed of the random graphs
Row = dict[str, Any]


def unpruned(network: real.Network, build: eightbit.Build) -> Program:
    """The build's program with its constant channels."""
    assert build.calibration is not None
    graph = pipeline.float_graph(load.load(real.path(network)))
    return optimize(quantize(graph, build.calibration), prune=False)


def bits(network: real.Network, build: eightbit.Build) -> list[Row]:
    """Accumulator bits of every layer, of all channels and of those that are left when constant ones are removed."""
    rows = []
    for whole, live in zip(unpruned(network, build).calls, build.program.calls, strict=True):
        if isinstance(ops.get(whole.op), Linear):
            channels = len(whole.consts["bias"])
            row = {"network": network.name, "layer": live.name, "channels": channels, "live": len(live.consts["bias"])}
            by_size = 1 + int(whole.consts["weights"].size // channels * 255 * 127).bit_length()
            rows.append(row | {"bits": needed(whole), "bits, live": needed(live), "bits by size alone": by_size})
    return rows


def needed(call: Call) -> int:
    assert call.proof is not None
    return accumulator_bits(call.proof) or 0


def widest(rows: list[Row]) -> list[Row]:
    """The most bits of each network."""
    found = []
    for name, official in OFFICIAL.items():
        own = [row for row in rows if row["network"] == name]
        most = {key: max(row[key] for row in own) for key in ("bits", "bits, live", "bits by size alone")}
        found.append({"network": name, **most, "official int8": official})
    return found


def channels(programs: dict[str, Program], count: int, seed: int) -> list[Row]:
    """Random channels of all networks: every accumulator of their proven intervals."""
    every = [(name, pair) for name, program in programs.items() for pair in exact.linear_channels(program)]
    chosen = np.random.default_rng(seed).choice(len(every), count, replace=False)
    found: dict[str, list[exact.Compared]] = {}
    for index in sorted(chosen):
        name, (call, channel) = every[index]
        ends = exact.tensors(programs[name], call)
        found.setdefault(name, []).append(exact.linear_channel(call, *ends, channel))
    rows = []
    for name, parts in found.items():
        whole = sum(parts, exact.Compared())
        rows.append(
            {"network": name, "channels": len(parts), "accumulators": whole.values, "exact ties": whole.near,
             "differing": whole.differing}
        )  # fmt: skip
    return rows


def against_rationals(program: Program, name: str) -> list[Row]:
    """Pools over all sums, and Adds over all 65,536 pairs."""
    rows = []
    for call in program.calls:
        if call.op in ("gap", "avgpool", "add"):
            check = exact.pairs if call.op == "add" else exact.pool
            found = check(call, *exact.tensors(program, call))
            rows.append({"network": name, "call": call.name, "op": call.op, **shares(found), "proven": found.proven})
    return rows


def random_sums(count: int, seed: int) -> list[Row]:
    """Adds with scales at random: ratios to the output from 1/8 to 4, all pairs of each."""
    rng, rows = np.random.default_rng([seed, 2]), []
    for _ in range(count):
        relative = np.array([*2.0 ** rng.uniform(-3, 2, 2), 1.0])
        scales = (relative * rng.uniform(0.001, 1)).astype(np.float32).tolist()
        a, b, y = (Tensor("", (1, 1, 1), scale, int(rng.integers(-128, 128)), "") for scale in scales)
        t = add.terms(a, b, y)
        params = add.Params(1, 1, t.mult_a, t.mult_b, t.rshift, S8_MIN, S8_MAX, t.out_c)
        found = exact.pairs(Call("", "add", params, (), ""), a, b, y)
        rows.append({"network": "", "call": "", "op": "add", **shares(found), "proven": found.proven})
    return rows


def shares(found: exact.Compared) -> Row:
    near, differing = 100 * found.near / found.values, 100 * found.differing / found.values
    return {
        "results": found.values,
        "differing, %": differing,
        "may differ, %": near,
        "largest difference": found.largest,
        "bound, steps": found.reach,
    }


def summed(rows: list[Row], label: str) -> list[Row]:
    """One row per operator: the sums, and the worst of everything."""
    found = []
    for op in sorted({row["op"] for row in rows}):
        own = [row for row in rows if row["op"] == op]
        worst = {key: max(row[key] for row in own) for key in own[0] if key not in ("network", "call", "op", "proven")}
        worst["results"] = sum(row["results"] for row in own)
        proven = all(row["proven"] for row in own)
        found.append({"network": label, "call": f"worst of {len(own)}", "op": op, **worst, "proven": proven})
    return found


def left_shifts(seed: int) -> list[Row]:
    """Layers with l = 1 .. 9, through the whole pipeline: every accumulator, and the bytes of the C."""
    rows = []
    for op in large_factors.OPS:
        for lshift in large_factors.LSHIFTS:
            proto, x = large_factors.layer(op, lshift, seed)
            build = eightbit.compile(proto, x)
            (call,) = [call for call in build.program.calls if call.op == op]
            ends = exact.tensors(build.program, call)
            every = [exact.linear_channel(call, *ends, c) for _, c in exact.linear_channels(build.program)]
            results = [build.verify(given) for given in (None, x)]
            whole, p = sum(every, exact.Compared()), call.params
            scales = exact.weight_scales(call)
            factor = max(scales) * ends[0].ratio / ends[1].ratio
            rows.append(
                {"op": op, "M": float(factor), "l": p.acc_lshift, "k": p.out_rshift, "accumulators": whole.values,
                 "differing": whole.differing, "bytes of C": sum(r.compared_bytes for r in results),
                 "differing bytes": sum(r.differing_bytes for r in results)}
            )  # fmt: skip
            assert p.acc_lshift == lshift
    return rows


def failures(widths: list[Row], exactly: list[Row], nearly: list[Row], shifted: list[Row]) -> list[str]:
    found = [f"{r['network']}: {r['bits, live']} bits" for r in widths if r["bits, live"] > MOST_BITS]
    found += [f"{r['network']}: {r['differing']} accumulators differ" for r in exactly if r["differing"]]
    found += [f"{r['network']} {r['call']}: beyond its bound" for r in nearly if not r["proven"]]
    found += [f"{r['op']} l = {r['l']}: differs" for r in shifted if r["differing"] or r["differing bytes"]]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channels", type=int, default=100)
    parser.add_argument("--graphs", type=int, default=60)
    parser.add_argument("--sums", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    networks = [*real.TINY.values(), *(real.NETWORKS[name] for name in DIGITS)]
    builds = {n.name: eightbit.compile(real.path(n), real.calibration(n), name=n.name) for n in networks}
    layers = [row for name, network in real.TINY.items() for row in bits(network, builds[name])]
    widths = widest(layers)
    print("\n\n".join(["## Accumulator bits", table(widths), table(layers)]), "\n", flush=True)

    programs = {name: build.program for name, build in builds.items()}
    exactly = channels(programs, args.channels, args.seed)
    print("## Constant weights: every accumulator of random channels\n\n" + table(exactly), "\n", flush=True)

    nearly = [row for name, program in programs.items() for row in against_rationals(program, name)]
    random = [
        row
        for seed in range(GRAPHS, GRAPHS + args.graphs)
        for row in against_rationals(eightbit.compile(*random_model(seed)[:2]).program, f"graph {seed}")
    ]
    nearly += summed(random, f"{args.graphs} random graphs") if random else []
    nearly += summed(random_sums(args.sums, args.seed), f"{args.sums} random sums")
    print("## Pools and sums against exact rationals\n\n" + table(nearly), "\n", flush=True)

    shifted = left_shifts(args.seed)
    print("## Layers with a left shift\n\n" + table(shifted), "\n")
    wrong = failures(widths, exactly, nearly, shifted)
    print("\n".join(f"FAILED {line}" for line in wrong) or "everything holds")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
