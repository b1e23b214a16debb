# SPDX-License-Identifier: Apache-2.0
"""Does `verify` see faults? Mutates emitted C by seed, runs verify on each copy, and explains what it does not see.

`python benchmarks/mutations.py --seed 1 --count 50 [--models DIR] [--json FILE]`; without models (also
EIGHTBIT_MODELS) only the built-in graph. Exit status 1 if a fault survives that is not shown to be none.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mutation_sites import draw, unread_entries
from mutation_subjects import PLAIN, SANITIZED, SECONDS, SHARE, Mutation, Subject, subjects
from mutation_verdicts import Verdict, judge, run_verify

from eightbit.execution import verify

ROUNDING = (  # file, a rounding, another one
    ("e8_math.h", "+ c) >> rshift", "+ c - 1) >> rshift"),
    ("e8_softmax_s8__ref.inc", "sum / 2", "sum / 4"),
)


def rounding(it: Subject, work: Path) -> Iterator[dict[str, Any]]:
    """What the command line says of copies whose runtime rounds differently."""
    for file, right, wrong in ROUNDING:
        if (it.out / file).exists():
            folder = work / "rounding"
            shutil.copytree(it.out, folder)
            text = (folder / file).read_text(encoding="utf-8")
            if right not in text:
                raise SystemExit(f"{file} does not have {right!r} any more")
            (folder / file).write_text(text.replace(right, wrong), encoding="utf-8")
            command = [sys.executable, "-m", "eightbit", "verify", str(folder), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            about = {"model": it.name, "file": file, "right": right, "wrong": wrong, "exit": done.returncode}
            yield about | json.loads(done.stdout)
            shutil.rmtree(folder)


@dataclass(frozen=True)
class Outcome:
    mutation: Mutation
    verdict: Verdict
    redrawn: int

    def line(self, number: int) -> str:
        mutation, verdict, at = self.mutation, self.verdict, self.verdict.difference
        place = f"{at.call} row {at.row} element {at.element}: {at.got}, not {at.expected}; " if at else ""
        return (
            f"{number:>3}  {mutation.model:<10}  {mutation.kind:<6}  {mutation.where:<27}  "
            f"{mutation.old + ' -> ' + mutation.new:<24}  {verdict.status:<12}  {verdict.samples or '':>6}  "
            f"{place}{verdict.evidence}"
        )


THEM: dict[str, Subject] = {}  # in a worker process: everything that is mutated


def start(them: dict[str, Subject]) -> None:
    THEM.update(them)
    verify.LEAST_SECONDS = SECONDS


def outcome(candidates: list[Mutation]) -> Outcome:
    """The first mutation of a list that compiles, and its verdict."""
    for redrawn, mutation in enumerate(candidates):
        it = THEM[mutation.model]
        with tempfile.TemporaryDirectory(prefix="mutation-") as work:
            folder = Path(work) / "out"
            shutil.copytree(it.out, folder)
            mutation.apply(folder)
            verdict = judge(it, mutation, folder)
        if verdict.status != "not compilable":
            return Outcome(mutation, verdict, redrawn)
    raise RuntimeError(f"none of {len(candidates)} mutations compiles")


def report(seed: int, scenario: list[dict[str, Any]], outcomes: list[Outcome], unread: list[str]) -> int:
    """Print everything; 1 if a fault went unseen."""
    print("one rounding of the runtime changed; `eightbit verify FOLDER --json`:")
    for answer in scenario:
        print("  {model}: {file}: {right} -> {wrong}: exit status {exit}".format(**answer))
        print("   ", answer.get("first_difference"))
    print(f"\nmutations of seed {seed}: what, change, verdict, samples it took, first difference")
    for number, item in enumerate(outcomes, start=1):
        print(item.line(number))
    print("\ntable entries that the samples do not read, not mutated:", *unread, sep="\n  ")
    counts = Counter((item.mutation.kind, item.verdict.status) for item in outcomes)
    statuses = ("caught", "caught alone", "equivalent", "survived")
    print(f"\n{'kind':<8}", *(f"{status:>14}" for status in statuses))
    for kind in SHARE:
        print(f"{kind:<8}", *(f"{counts[kind, status]:>14}" for status in statuses))
    print(f"{'all':<8}", *(f"{sum(item.verdict.status == s for item in outcomes):>14}" for s in statuses))
    print(f"{sum(item.redrawn for item in outcomes)} more did not compile, and were drawn again")
    missed = [a for a in scenario if a["exit"] != 1 or "first_difference" not in a]
    return 1 if missed or any(item.verdict.status == "survived" for item in outcomes) else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--models", type=Path, default=os.environ.get("EIGHTBIT_MODELS"), help="with samples.py")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="mutations-") as work:
        them = {it.name: it for it in subjects(options.models and Path(options.models), Path(work))}
        for it in them.values():
            for flags in (PLAIN, SANITIZED):
                fault = run_verify(it, it.out, next(it.batches()), flags)
                if fault is not None:
                    raise SystemExit(f"{it.name} fails without any mutation: {fault.evidence}")
        scenario = [answer for it in them.values() for answer in rounding(it, Path(work))]
        with ProcessPoolExecutor(2, initializer=start, initargs=(them,)) as pool:
            outcomes = list(pool.map(outcome, draw(list(them.values()), options.seed, options.count)))
        unread = [line for it in them.values() for line in unread_entries(it)]
    if options.json:
        found = {"seed": options.seed, "rounding": scenario, "mutations": list(map(asdict, outcomes)), "unread": unread}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return report(options.seed, scenario, outcomes, unread)


if __name__ == "__main__":
    sys.exit(main())
