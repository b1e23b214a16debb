# SPDX-License-Identifier: Apache-2.0
"""kws and digits: bits on every compiler and level, symbols and sections, accuracy over whole evaluation splits.

`python benchmarks/first_light.py [--samples 200] [--json FILE] [--readme]`: needs EIGHTBIT_MODELS. `--readme` writes
the accuracy and size table into README.md. Exit status 1 if a byte differs or a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from readme import table, update

import eightbit
import real

SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
Builds = Sequence[tuple[str, tuple[str, ...], int | None]]
CXX_WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror")
BUILDS = [(cc, flags) for cc in ("gcc", "clang") for flags in (("-O0",), ("-O2",), ("-O3",), SANITIZE)]
NETWORKS = ("kws", "digits_cnn", "digits_mlp", "digits_cnn_dynamo", "digits_mlp_dynamo")
CHOICES = {
    "first 100": slice(0, 100),
    "last 100": slice(-100, None),
    "even": slice(0, None, 2),
    "odd": slice(1, None, 2),
}
# network: (agreement, SQNR dB, top-1 loss) that each choice of calibration samples must reach
GOALS = {"kws first 100": (0.988, 32.5, 0.005), "kws": (0.98, 31.0, 0.005), "digits": (0.0, 0.0, 0.004)}
MARK = "figures of benchmarks/first_light.py"


def bits(network: real.Network, build: eightbit.Build, builds: Builds) -> list[dict[str, Any]]:
    """Verify with each compiler and its flags, on so many evaluation samples (None: all)."""
    rows = []
    for cc, flags, count in builds:
        x = {network.input: real.samples(network, "eval", slice(count))[network.input]}
        start = time.perf_counter()
        result = build.verify(x, cc, flags)
        rows.append(
            {
                "network": network.name,
                "compiler": cc,
                "flags": " ".join(flags),
                "samples": result.samples,
                "compared_bytes": result.compared_bytes,
                "differing_bytes": result.differing_bytes,
                "guards_intact": result.guards_intact,
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    return rows


def objects(build: eightbit.Build) -> dict[str, Any]:
    """Undefined symbols and the sizes of written sections of the host object; does the header compile as C++17?"""
    with tempfile.TemporaryDirectory() as folder:
        out, name = build.write(Path(folder) / "out"), build.emission.name
        found: dict[str, Any] = {"network": build.program.name}
        for cc, cxx in (("gcc", "g++"), ("clang", "clang++")):
            run(cc, "-std=c99", "-O2", "-fno-pie", "-c", out / f"{name}.c", "-I", out, "-o", out / "model.o")
            found[f"{cc} undefined"] = sorted(
                line.split()[-1] for line in run("nm", "-u", out / "model.o").splitlines()
            )
            sections = [line.split() for line in run("size", "-A", out / "model.o").splitlines()]
            found[f"{cc} written"] = sum(int(s[1]) for s in sections if s and s[0].startswith((".data", ".bss")))
            (out / "header.cpp").write_text(f'#include "{name}.h"\n#include "{name}_io.h"\n')
            run(cxx, "-std=c++17", *CXX_WARNINGS, "-fsyntax-only", out / "header.cpp")
        found["selftest"] = selftest(out, name)
    return found


def selftest(out: Path, name: str) -> str:
    """The last line of the self-test, built as its header says."""
    macro = f"-D{name.upper()}_SELFTEST"
    sources = [out / f"{name}.c", out / f"{name}_selftest.c"]
    warnings = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
    run("gcc", *warnings, "-O2", macro, f"{macro}_MAIN", "-I", out, *sources, "-o", out / "selftest")
    return run(out / "selftest").splitlines()[-1]


def run(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def accuracy(network: real.Network) -> list[dict[str, Any]]:
    """Metrics on the whole evaluation split for each choice of calibration samples."""
    model, rows = real.path(network), []
    for choice, rows_of in CHOICES.items():
        x = {network.input: real.samples(network, "calib", rows_of)[network.input]}
        build = eightbit.compile(model, x)
        result = eightbit.evaluate(build, model, real.samples(network, "eval"))
        result.pop("notes")
        rows.append({"network": network.name, "calibration": choice, **result})
    return rows


def missed(row: dict[str, Any]) -> str:
    """Which goal an accuracy row misses, or ""."""
    exact = f"{row['network']} {row['calibration']}"
    agreement, sqnr, loss = GOALS.get(exact, GOALS["kws" if row["network"] == "kws" else "digits"])
    if row["agreement"] < agreement or row["sqnr_db"] < sqnr:
        return f"agreement {agreement}, {sqnr} dB"
    return f"loss {loss}" if row["accuracy_float"] - row["accuracy_fixed"] > loss + 1e-9 else ""


def readme_rows(builds: dict[str, eightbit.Build], scores: list[dict[str, Any]]) -> list[dict[str, str]]:
    """One row per network for the README."""
    rows = []
    for name in ("kws", "digits_cnn", "digits_mlp"):
        report = builds[name].report()
        score = next(s for s in scores if s["network"] == name and s["calibration"] == "first 100")
        rows.append(
            {
                "network": name,
                "MAC": f"{report['macs']:,}",
                "constants, bytes": f"{report['weight_bytes']:,}",
                "activations, bytes (lower bound)": f"{report['activation_bytes']:,} ({report['arena_bound_bytes']:,})",
                "top-1 float": f"{100 * score['accuracy_float']:.2f} %",
                "top-1 fixed": f"{100 * score['accuracy_fixed']:.2f} %",
                "agreement": f"{100 * score['agreement']:.2f} %",
                "SQNR": f"{score['sqnr_db']:.1f} dB",
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--readme", action="store_true")
    args = parser.parse_args()
    nets = [real.NETWORKS[name] for name in NETWORKS]
    builds = {net.name: eightbit.compile(real.path(net), real.calibration(net), name=net.name) for net in nets}
    checked = [row for net in nets for row in bits(net, builds[net.name], [(*way, args.samples) for way in BUILDS])]
    made = [objects(builds[net.name]) for net in nets]
    scores = [row for net in nets for row in accuracy(net)]
    sizes = [builds[net.name].report() for net in nets]
    print("\n\n".join(table(rows) for rows in (checked, made, scores)))
    if args.readme:
        update(table(readme_rows(builds, scores)), MARK)
    if args.json:
        document = {"bits": checked, "objects": made, "accuracy": scores, "sizes": sizes}
        args.json.write_text(json.dumps(document, indent=1))
    failures = [
        f"{r['network']} {r['compiler']} {r['flags']}"
        for r in checked
        if r["differing_bytes"] or not r["guards_intact"]
    ]
    failures += [f"{r['network']} {r['calibration']}: {missed(r)}" for r in scores if missed(r)]
    failures += [
        f"{r['network']}: {r}"
        for r in made
        if set(r["gcc undefined"] + r["clang undefined"]) - {"memcpy", "memset"}
        or r["gcc written"]
        or r["clang written"]
        or not r["selftest"].endswith("PASS")
    ]
    print("\n".join(["", *(f"MISSED {text}" for text in failures)]) if failures else "\nall goals reached")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
