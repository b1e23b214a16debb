# SPDX-License-Identifier: Apache-2.0
"""The judge's table: the exported model in ONNX Runtime against the simulator, call by call.

`python benchmarks/judge.py [--models DIR] [--random 50] [--json FILE]`: kws, digits_cnn and digits_mlp from DIR (or
EIGHTBIT_MODELS), calibrated on 100 samples, judged on 64, and random graphs. Exit status 1 if a difference exceeds
one step where an operator rounds, or any where it does not, or if a model does not compile.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

import eightbit
from eightbit.frontend import samples
from eightbit.judge import Verdict, judge

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
import real
from random_graphs import random_model

Arrays = dict[str, NDArray[Any]]
MODELS = ("kws", "digits_cnn", "digits_mlp")
EVALUATION = slice(64)
FIRST_SEED = 1
Rows = dict[str, list[Verdict]]


def judged(model: str | Path | onnx.ModelProto, calibration: Arrays, evaluation: Arrays) -> list[Verdict]:
    program = eightbit.compile(model, calibration).program
    return judge(program, samples.read(evaluation, {port.name: port.shape for port in program.inputs}))


def real_models() -> Iterator[tuple[str, list[Verdict]]]:
    for network in (real.NETWORKS[name] for name in MODELS):
        evaluation = real.samples(network, "eval", EVALUATION)
        yield network.name, judged(real.path(network), real.calibration(network), evaluation)


def random_models(count: int, failures: list[str]) -> Iterator[tuple[str, list[Verdict]]]:
    for seed in range(FIRST_SEED, FIRST_SEED + count):
        model, calibration, fresh = random_model(seed)
        try:
            verdicts = judged(model, calibration, fresh)
        except Exception as error:
            failures.append(f"seed {seed}: {type(error).__name__}: {error}")
        else:
            yield f"seed {seed}", verdicts
        print(f"\r{seed - FIRST_SEED + 1} of {count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


HEADER = "outputs  largest  differing         ties  differing ties  from half  ok"


def line(verdicts: list[Verdict]) -> str:
    """The figures of some calls together."""
    outputs, ties = sum(v.outputs for v in verdicts), sum(v.ties for v in verdicts)
    differing, at_ties = sum(v.differing for v in verdicts), sum(v.differing_ties for v in verdicts)
    largest, apart = max(v.largest for v in verdicts), max(v.from_half for v in verdicts)
    ok = "yes" if all(v.ok for v in verdicts) else "NO"
    return f"{outputs:>9,}  {largest:>7}  {differing / outputs:>9.2e}  {ties:>11,}  {at_ties:>14,}  {apart:>9.1e}  {ok}"


def per_op(rows: Rows) -> Iterator[str]:
    """One line per operator, over all calls of all models given."""
    verdicts = [v for found in rows.values() for v in found]
    for op in sorted({v.op for v in verdicts}):
        some = [v for v in verdicts if v.op == op]
        yield f"{op:<12}{len(some):>5}  {line(some)}"


def table(networks: Rows, drawn: Rows) -> Iterator[str]:
    yield "differing: share of outputs that are no ties; from half: exact distance of those from half way, at most"
    for name, verdicts in networks.items():
        yield f"\n{name + ', per call':<17}  {HEADER}"
        for verdict in verdicts:
            yield f"{verdict.call:<17}  {line([verdict])}"
    for title, rows in (("networks, per op", networks), (f"{len(drawn)} graphs, per op", drawn)):
        if rows:
            yield f"\n{title:<17}  {HEADER}"
            yield from per_op(rows)


def wrong(rows: Rows) -> list[str]:
    return [
        f"{name}: {v.call} ({v.op}) differs by up to {v.largest}, {v.from_half:.1e} from half"
        for name, found in rows.items()
        for v in found
        if not v.ok
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="judge the simulator by the exported model in ONNX Runtime")
    parser.add_argument("--models", type=Path, default=real.folder(), help=f"else {real.VARIABLE} names it")
    parser.add_argument("--random", type=int, default=50, help="number of random graphs")
    parser.add_argument("--json", type=Path, help="write every verdict there")
    options = parser.parse_args()
    failures: list[str] = []
    networks: Rows = {}
    if options.models is None:
        print(f"left out, {real.VARIABLE} is not set: {', '.join(MODELS)}")
    else:
        os.environ[real.VARIABLE] = str(options.models)
        networks = dict(real_models())
    drawn = dict(random_models(options.random, failures))
    for text in table(networks, drawn):
        print(text)
    failures += [*wrong(networks), *wrong(drawn)]
    for text in failures:
        print(f"FAILED {text}")
    if options.json:
        rows = {
            name: [dataclasses.asdict(v) | {"ok": v.ok} for v in found] for name, found in {**networks, **drawn}.items()
        }
        options.json.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
