# SPDX-License-Identifier: Apache-2.0
"""Does `audit` see faults? Changes one number of a build at random, as a fault would, and audits the result.

`python benchmarks/audit_mutations.py [--seed 1] [--count 1000] [--json FILE]`; with EIGHTBIT_MODELS also on real
networks. Hashes of the manifest are recomputed. Of a scale only the first hexadecimal digit is changed: where no linear
call touches a tensor, its last digits change no integer. Exit status 1 if a change is accepted or a good build is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

import eightbit
from eightbit.audit import audit

sys.path.insert(0, str(Path(__file__).resolve().parent))
from audit_faults import Build, Mutation, draws
from mutation_subjects import CALIBRATION, small_model, small_samples  # puts tests/ on the path

import real

KINDS = ("multiplier", "shift", "bound", "offset", "live range", "constant", "buffer")
PLACES = ("program.txt", "program.npz", "plan.txt", "C", "everywhere")


def good_builds(work: Path) -> Iterator[Build]:
    noise = small_samples()[:CALIBRATION]
    found = {"small": eightbit.compile(small_model(), noise, name="small")}
    found["caller"] = eightbit.compile(small_model(), noise, name="caller", io="caller")
    for name, network in real.TINY.items() if real.folder() is not None else ():
        found[name] = eightbit.compile(real.path(network), real.calibration(network), name=name)
    for name, build in found.items():
        folder = build.write(work / name)
        yield Build(build.emission.name, folder, {path.name: path.read_bytes() for path in folder.iterdir()})


def verdict(build: Build, mutation: Mutation) -> str:
    """ "" if the changed build is accepted, else why it is not; the folder is as before afterwards."""
    manifest = json.loads(build.text("manifest.json"))
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in mutation.files.items()}
    manifest["files"] |= hashes
    changed = {**mutation.files, "manifest.json": json.dumps(manifest).encode()}
    try:
        for name, data in changed.items():
            (build.folder / name).write_bytes(data)
        report = audit(build.folder)
        return str(report.findings[0]) if report.findings else ""
    except eightbit.EightbitError as error:
        return str(error)
    finally:
        for name in changed:
            (build.folder / name).write_bytes(build.files[name])


def same(build: Build, mutation: Mutation) -> bool:
    """Does the changed text say the same? Numbers as values: 0x1p1 is 2, 2/4 is 1/2."""
    return all(
        name.endswith((".txt", ".inc", ".c", ".h")) and same_text(build.text(name), data.decode())
        for name, data in mutation.files.items()
    )


def same_text(old: str, new: str) -> bool:
    pairs = zip(old.splitlines(), new.splitlines(), strict=True)  # no mutation adds or removes a line
    return all(values(a) == values(b) for a, b in pairs if a != b)


def values(line: str) -> list[Fraction | str]:
    return [value(token) for token in re.findall(r"0x1\.[0-9a-f]+p[-+]\d+|-?\d+/\d+|-?\d+\.\d+|-?\d+|[^\s\d]+", line)]


def value(token: str) -> Fraction | str:
    try:
        return Fraction(float.fromhex(token)) if token.startswith("0x") else Fraction(token)
    except ValueError:
        return token


def run(builds: list[Build], seed: int, count: int) -> tuple[Counter[tuple[str, str]], list[tuple[str, str, str]]]:
    """How many of each (kind, place) were drawn, and (kind, place, what) of those that were accepted."""
    rng, cells = np.random.default_rng(seed), list(draws())
    drawn: Counter[tuple[str, str]] = Counter()
    accepted = []
    while sum(drawn.values()) < count:
        kind, place, draw = cells[rng.integers(len(cells))]
        build = builds[rng.integers(len(builds))]
        mutation = draw(build, rng)
        if mutation is None or same(build, mutation):
            continue
        drawn[kind, place] += 1
        if not verdict(build, mutation):
            accepted.append((kind, place, f"{build.name}: {mutation.what}"))
    return drawn, accepted


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given, start = parser.parse_args(), time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="eightbit-") as work:
        builds = list(good_builds(Path(work)))
        refused = [f"{build.name}: {found}" for build in builds for found in audit(build.folder).findings]
        drawn, accepted = run(builds, given.seed, given.count)
    show(drawn, accepted)
    for line in refused:
        print(f"GOOD BUILD REFUSED {line}")
    print(f"{len(builds)} good builds, {len(refused)} findings in them; {time.perf_counter() - start:.0f} s")
    if given.json:
        table = {f"{kind} in {place}": number for (kind, place), number in sorted(drawn.items())}
        given.json.write_text(json.dumps({"drawn": table, "accepted": accepted, "refused": refused}, indent=1) + "\n")
    return 1 if accepted or refused else 0


def show(drawn: Counter[tuple[str, str]], accepted: list[tuple[str, str, str]]) -> None:
    missed = Counter((kind, place) for kind, place, _ in accepted)
    print("rejected of drawn".ljust(18) + "".join(place.rjust(14) for place in PLACES))
    for kind in KINDS:
        cells = [f"{drawn[kind, p] - missed[kind, p]}/{drawn[kind, p]}" if drawn[kind, p] else "-" for p in PLACES]
        print(kind.ljust(18) + "".join(cell.rjust(14) for cell in cells))
    print(f"{sum(drawn.values()) - len(accepted)} of {sum(drawn.values())} rejected")
    for kind, place, what in accepted:
        print(f"ACCEPTED {kind} in {place}: {what}")


if __name__ == "__main__":
    sys.exit(main())
