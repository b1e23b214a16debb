# SPDX-License-Identifier: Apache-2.0
"""kws, ic, vww and ad of MLPerf Tiny: accuracy over whole evaluation splits, bits, memory, and what compiling costs.

`python benchmarks/mlperf_tiny.py [NETWORK ...] [--parts accuracy,bits,cost] [--json FILE]`: needs EIGHTBIT_MODELS.
Accuracy is that of four choices of about 100 calibration samples (ic has 100 and ad 98: their first and last are the
same, their other two choices are halves), each beside ranges and bias correction alone and beside ONNX Runtime's own
static quantiser on the same samples. Bits are compared on whole splits.
Exit status 1 if a byte differs or a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import reference_quantiser as reference
from first_light import CHOICES, SANITIZE, Builds, bits
from readme import table

import eightbit
import real
from eightbit import pipeline
from eightbit.frontend import load, samples
from eightbit.reporting import metrics

COMPILERS: Builds = [  # with how many samples
    ("gcc", ("-O2",), None),
    ("clang", ("-O2",), None),
    ("gcc", SANITIZE, 50),
    ("clang", SANITIZE, 50),
]
# network: (agreement, SQNR dB) with the first 100 calibration samples
ACCURACY = {"kws": (0.990, 33.5), "ic": (0.983, 30.3), "vww": (0.990, 29.0)}
LOSS = 0.005  # of top-1, with every choice
STEPS_LOSS = 0.3  # dB that equalisation, coordinate descent and activation correction together may lose, every choice
STEPS = ("equalize", "coordinate_descent", "activation_correction")
RECONSTRUCTION = 0.003  # relative change of the error, with every choice
ACTIVATIONS = {"kws": 16_000, "ic": 49_152, "vww": 55_296, "ad": 768}
COSTS = {"vww": (15.0, 1024.0), "digits_cnn": (3.0, 1024.0)}  # seconds and MiB of `eightbit compile`
SIMULATION = 30.0  # seconds for the whole split of vww
PROBE = """
import atexit, pathlib, re, sys
peak = pathlib.Path(sys.argv.pop(1))
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: peak.write_text(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1]))
from eightbit.cli import main
main()
"""  # wait4 would count what the parent had in memory
Row = dict[str, Any]


def quality(network: real.Network) -> list[Row]:
    """The metrics of each choice of calibration samples, with ONNX Runtime's beside them."""
    model, rows = real.path(network), []
    given = real.samples(network, "eval")
    for choice, which in CHOICES.items():
        x = {network.input: np.asarray(real.samples(network, "calib", which)[network.input], np.float32)}
        judge = reconstruction if network.name == "ad" else eightbit.evaluate
        ours = judge(eightbit.compile(model, x), model, given)
        plain = judge(eightbit.compile(model, x, **dict.fromkeys(STEPS, False)), model, given)
        for result in (ours, plain):
            result.pop("notes", None)
        without = {f"plain {key}": figure for key, figure in plain.items() if not key.endswith(("samples", "float"))}
        theirs = others(network, x, given)
        found = {"network": network.name, "calibration": choice, "count": len(x[network.input])}
        found |= {**ours, **without, **theirs}
        rows.append(found | {"missed": missed(found)})
    return rows


def reconstruction(build: eightbit.Build, model: Path, given: Mapping[str, Any]) -> Row:
    graph = pipeline.float_graph(load.load(model))
    return metrics.reconstruction(graph, build.program, samples.read(given, {v: graph.shapes[v] for v in graph.inputs}))


def others(network: real.Network, x: dict[str, NDArray[np.float32]], given: Mapping[str, Any]) -> Row:
    """ONNX Runtime's static quantiser, judged in the same way."""
    ends_at_logits = reference.scored(onnx.load(real.path(network)))
    inputs = {network.input: np.asarray(given[network.input], np.float32)}
    (want,) = reference.run_float(ends_at_logits, inputs).values()
    (got,) = reference.run_float(reference.quantise_static(ends_at_logits, x), inputs).values()
    want, got = (values.reshape(len(values), -1) for values in (want, got))
    found = {"ORT sqnr_db": reference.sqnr(want, got)}
    if "labels" not in given:
        return found | {"ORT reconstruction": float(((inputs[network.input].reshape(got.shape) - got) ** 2).mean())}
    best, right = got.argmax(axis=1), np.asarray(given["labels"])
    agreement = float((best == want.argmax(axis=1)).mean())
    return {"ORT accuracy": float((best == right).mean()), "ORT agreement": agreement, **found}


def missed(row: Row) -> str:
    """Which goal a row of `quality` misses, or ""."""
    found = []
    if row["sqnr_db"] < row["plain sqnr_db"] - STEPS_LOSS:
        found.append(f"more than {STEPS_LOSS} dB below ranges and bias correction")
    if "reconstruction_float" in row:
        change = abs(row["reconstruction_fixed"] / row["reconstruction_float"] - 1)
        found += [f"reconstruction changes by {100 * change:.2f} %"] if change > RECONSTRUCTION else []
        return ", ".join(found)
    if row["accuracy_float"] - row["accuracy_fixed"] > LOSS + 1e-9:
        found.append(f"loss above {LOSS}")
    agreement, sqnr = ACCURACY[row["network"]]
    if row["calibration"] == "first 100" and (row["agreement"] < agreement or row["sqnr_db"] < sqnr):
        found.append(f"agreement {agreement}, {sqnr} dB")
    return ", ".join(found)


def compared(network: real.Network, build: eightbit.Build) -> list[Row]:
    """Verify on the evaluation split with each compiler."""
    rows = bits(network, build, COMPILERS)
    wrong = "bits differ, or guards were written"
    return [row | {"missed": wrong if row["differing_bytes"] or not row["guards_intact"] else ""} for row in rows]


def memory(network: real.Network, build: eightbit.Build) -> Row:
    report, goal = build.report(), ACTIVATIONS[network.name]
    keys = ("macs", "macs_model", "weight_bytes", "activation_bytes", "arena_bound_bytes", "scratch_bytes")
    bound = report["activation_bytes"] == report["arena_bound_bytes"] and report["activation_bytes"] <= goal
    found = {key: report[key] for key in keys}
    return {"network": network.name, **found, "missed": "" if bound else f"activations {goal:,} = bound"}


def cost(network: real.Network) -> Row:
    """Seconds and peak memory of `eightbit compile` on 100 samples, as a process of its own.

    The goal is one of processor time: on a free machine it is no less than wall time, and on a busy one it stays.
    """
    with tempfile.TemporaryDirectory() as folder:
        calibration, peak = Path(folder) / "calibration.npz", Path(folder) / "peak"
        np.savez(calibration, **real.calibration(network))  # type: ignore[arg-type]  # its flags have types of their own
        arguments = ["compile", real.path(network), "--json", "--calibration", calibration, "-o", Path(folder) / "out"]
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", PROBE, peak, *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall, used = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
        mebibytes = int(peak.read_text()) / 1024
    most = COSTS.get(network.name, (float("inf"), float("inf")))
    fine = status == 0 and used <= most[0] and mebibytes <= most[1]
    times = {"compile, s of wall time": wall, "s of processor time": used, "peak, MiB": mebibytes}
    return {"network": network.name, **times, "missed": "" if fine else f"{most[0]} s, {most[1]} MiB"}


def simulation(network: real.Network, build: eightbit.Build) -> Row:
    x = {network.input: real.samples(network, "eval")[network.input]}
    start = time.perf_counter()
    build.simulate(x)
    seconds = time.perf_counter() - start
    text = "" if network.name != "vww" or seconds <= SIMULATION else f"{SIMULATION} s"
    return {"network": network.name, "samples": len(x[network.input]), "simulate, s": seconds, "missed": text}


def accuracy_part(networks: list[real.Network]) -> list[list[Row]]:
    return [quality(network) for network in networks]


def bits_part(networks: list[real.Network]) -> list[list[Row]]:
    builds = [eightbit.compile(real.path(n), real.calibration(n), name=n.name) for n in networks]
    pairs = list(zip(networks, builds, strict=True))
    return [[row for pair in pairs for row in compared(*pair)], [memory(*pair) for pair in pairs]]


def cost_part(networks: list[real.Network]) -> list[list[Row]]:
    builds = [eightbit.compile(real.path(n), real.calibration(n), name=n.name) for n in networks]
    costs = [cost(network) for network in [*networks, real.NETWORKS["digits_cnn"]]]
    return [costs, [simulation(n, build) for n, build in zip(networks, builds, strict=True)]]


PARTS: dict[str, Callable[[list[real.Network]], list[list[Row]]]] = {
    "cost": cost_part,
    "accuracy": accuracy_part,
    "bits": bits_part,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(real.TINY))
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    networks = [real.TINY[name] for name in args.networks or real.TINY]
    found: dict[str, list[list[Row]]] = {}
    for part in args.parts.split(","):
        found[part] = PARTS[part](networks)
        print("\n\n".join(table(rows) for rows in found[part] if rows), "\n", flush=True)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))
    rows = [row for tables in found.values() for rows in tables for row in rows]
    failures = [
        f"MISSED {row['network']} {row.get('calibration', '')}: {row['missed']}" for row in rows if row["missed"]
    ]
    print("\n".join(failures) or "all goals reached")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
