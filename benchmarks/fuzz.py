# SPDX-License-Identifier: Apache-2.0
"""A fuzzer: mutated models through `eightbit check`, some survivors through the whole compile, some as C.

`python benchmarks/fuzz.py --seconds 60 --seed 1`: about four of five inputs are models whose parts were changed
(attributes, shapes, initialisers, edges, types, names), the others have changed bytes. Every input must be taken,
or be refused with a message: a traceback, more than 30 s of work, a crash, or C that the sanitizers or the simulator
contradict are findings. Exit status 1 when there is one. Case N of a seed is the same each time: --first N --count 1.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import json
import logging
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from fuzz_mutations import mutated
from fuzz_numbers import pick

import models
from command_line import run
from eightbit import audit, pipeline
from eightbit.commands import check
from eightbit.console import INTERNAL, LOG
from eightbit.errors import BudgetError, InputError
from eightbit.frontend import load
from eightbit.options import IO, OPTIMIZE, PACKAGE, Options
from random_graphs import random_model

ROOT = Path(__file__).resolve().parents[1]
HANG = 30.0  # seconds of processor time for one step of one case, and ten times that on the clock
MEMORY = 4 << 30  # bytes of addresses that the compiler may use for these small models
LARGEST_MODEL = 40_000  # bytes of a seed: mutations of large weights are no better than those of small ones
LARGEST_INPUT = 1 << 16  # elements of the inputs of a survivor that is compiled
RANDOM_GRAPHS = 60
STEPS = {"check": 1, "compile": 5, "run": 11}  # every 5th of what comes through check is compiled, every 11th of it run
SAMPLES = 4
EVERY = 10_000  # cases a line says how far it is
TARGETS = ("generic", "cortex-m0plus", "cortex-m4")  # one for each set of kernels, and the narrow multiplication
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class LeftOutError(Exception):
    """A survivor that is too large to compile here."""


class RefusedError(Exception):
    """The command line says no, and why."""


def printed(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON of a command, which keeps the command line's promises; its traceback, if it has one."""
    result = run(*arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2), result.output
    assert (result.exit_code == 2) == result.stderr.startswith("error: "), result.stderr
    assert all(line.isprintable() for line in result.output.splitlines()), result.output
    if "--json" not in arguments:
        return result.exit_code, {}
    (line,) = result.stdout.splitlines()
    document: dict[str, Any] = json.loads(line)
    assert result.exit_code != 2 or all(document["error"].values()), line
    return result.exit_code, document


@dataclass
class Case:
    """One mutated model, and its steps through the compiler."""

    number: int
    content: bytes

    def check(self) -> None:
        """What `eightbit check` prints of the model's file: as JSON, and where there is a result, as tables."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mutated.onnx"
            path.write_bytes(self.content)
            status, document = printed("check", str(path), "--json")
            if status == 2:
                raise RefusedError(document["error"]["what"])
            printed("check", str(path))
            if status == 1:
                raise RefusedError(f"obstacle: {document['obstacles'][0]['reason']}")

    def compile(self) -> None:
        """ONNX to a folder of files and a report, with noise as samples; the folder is audited and opened again."""
        self.build = pipeline.compile_model(self.content, self.samples(), self.options())
        with tempfile.TemporaryDirectory() as folder:
            out = self.build.write(Path(folder) / "out")
            report = audit.audit(out)
            assert report.ok, report.findings
            assert pipeline.reopen(out).emission.files == self.build.emission.files
        json.dumps(self.build.report())

    def run(self) -> None:
        """The C under the sanitizers, against the simulator."""
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))  # they take it all
        found = self.build.verify(cflags=SANITIZED)
        if not found.ok:
            raise AssertionError(f"the bits differ: {found}")

    def samples(self) -> dict[str, np.ndarray]:
        rng, simple = np.random.default_rng(self.number), pipeline.float_graph(load.load(self.content))
        shapes = {name: simple.shapes[name] for name in simple.inputs}
        if sum(int(np.prod(shape)) for shape in shapes.values()) > LARGEST_INPUT:
            raise LeftOutError
        numbers = {name: rng.integers(0, 100, (SAMPLES, *shape)) for name, shape in shapes.items()}
        return {name: (x if name in simple.integers else x / 100).astype(np.float32) for name, x in numbers.items()}

    def options(self) -> Options:
        rng = np.random.default_rng(self.number)
        return Options(*(pick(rng, choices) for choices in (TARGETS, IO, OPTIMIZE, PACKAGE)))


@dataclass
class Tally:
    """What came of the cases."""

    cases: int = 0
    structured: int = 0
    done: Counter[str] = field(default_factory=Counter)  # step: how many came through it
    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # first line of the message, names left out
    findings: list[dict[str, Any]] = field(default_factory=list)


def corpus() -> list[bytes]:
    """Valid models to mutate: those of the tests, random graphs, the example's, and small real ones where they are."""
    protos = [models.dense(), models.conv_relu(), *(random_model(seed)[0] for seed in range(1, RANDOM_GRAPHS + 1))]
    folders = [ROOT / "examples"]
    if os.environ.get("EIGHTBIT_MODELS"):
        folders.append(Path(os.environ["EIGHTBIT_MODELS"]))
    paths = [path for folder in folders for path in sorted(folder.rglob("*.onnx"))]
    small = [path.read_bytes() for path in paths if path.stat().st_size <= LARGEST_MODEL]
    return [proto.SerializeToString() for proto in protos] + small


def worker(pipe: Connection, seed: int, first: int, last: int) -> None:
    """Cases in order. Sends (case, step, verdict, text): what kind of case comes, then what came of each step."""
    logging.disable(logging.CRITICAL)  # what the libraries say of models they cannot fold
    warnings.simplefilter("ignore")
    faulthandler.enable()
    os.environ[INTERNAL] = "1"  # a fault of eightbit comes out as it is
    check.check_model = lru_cache(maxsize=1)(check.check_model)  # a file's tables follow its JSON
    LOG.status = lambda text: nullcontext()  # a thread for each case, for nobody to see
    seeds, counts = corpus(), Counter[str]()
    gc.freeze()  # the libraries stay
    pipe.send((first, "ready", "", ""))
    for number in range(first, last):
        content, structured = mutated(np.random.default_rng((seed, number)), seeds)
        pipe.send((number, "case", "structured" if structured else "bytes", ""))
        case = Case(number, content)
        for step, every in STEPS.items():
            counts[step] += 1
            if counts[step] % every:
                break
            verdict, text = outcome(getattr(case, step))
            pipe.send((number, step, verdict, text))
            if verdict != "done":
                break
    pipe.send((last, "end", "", ""))


def outcome(action: Callable[[], None]) -> tuple[str, str]:
    """(verdict, text) of one step: done, refused with a message, or a finding."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    signal.setitimer(signal.ITIMER_PROF, HANG)  # ends the process
    try:
        action()
    except (InputError, BudgetError, RefusedError) as error:
        return "refused", str(error).splitlines()[0]
    except LeftOutError:
        return "left out", ""
    except Exception:  # that anything else comes out is what we look for
        return "finding", traceback.format_exc()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return "done", ""


def watch(seed: int, first: int, last: int, seconds: float, tally: Tally) -> None:
    """Run workers, each from the case after the one that hung or crashed, until the time or the cases are over."""
    end = time.monotonic() + seconds
    while first < last and time.monotonic() < end:
        mine, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(target=worker, args=(theirs, seed, first, last))
        process.start()
        theirs.close()
        case = first
        for case, step, verdict, text in reports(mine, process, end, first):
            note(tally, case, step, verdict, text)
        process.kill()
        process.join()
        first = case + 1


def reports(
    pipe: Connection, process: multiprocessing.process.BaseProcess, end: float, first: int
) -> Iterator[tuple[int, str, str, str]]:
    """What a worker sends; its death or silence becomes a finding of the case it was at."""
    case = first
    if pipe.poll(10 * HANG):
        pipe.recv()
    while time.monotonic() < end:
        if not pipe.poll(10 * HANG):
            yield case, "hang", "finding", f"no end of a step after {10 * HANG:.0f} s on the clock"
            return
        try:
            said = pipe.recv()
        except EOFError:
            process.join()
            if process.exitcode == -signal.SIGPROF:
                yield case, "hang", "finding", f"no end of a step after {HANG:.0f} s of work"
            else:
                yield case, "crash", "finding", f"the process died ({process.exitcode})"
            return
        if said[1] == "end":
            return
        case = said[0]
        yield said


def note(tally: Tally, case: int, step: str, verdict: str, text: str) -> None:
    """Count a report."""
    if step == "case":
        tally.cases += 1
        if tally.cases % EVERY == 0:
            print(f"{tally.cases} cases, {dict(tally.done)}", file=sys.stderr, flush=True)
        tally.structured += verdict == "structured"
        return
    if verdict == "left out":
        return
    tally.tried[step] += 1
    if verdict == "done":
        tally.done[step] += 1
    elif verdict == "refused":
        tally.refused[re.sub(r"'.*'|\".*\"|\d+", "...", text)[:80]] += 1
    else:
        tally.findings.append({"case": case, "step": step, "text": text})
        print(f"case {case}, {step}: {text.strip()}\n", file=sys.stderr, flush=True)


def lines(tally: Tally, seconds: float) -> Iterator[str]:
    yield f"cases                        {tally.cases}, {tally.structured} of them valid protobufs by construction"
    for step in STEPS:
        yield f"{step:<8} tried, came through  {tally.tried[step]}, {tally.done[step]}"
    yield f"findings                     {len(tally.findings)}"
    yield f"seconds                      {seconds:.0f}"
    yield "refusals:"
    yield from (f"{count:8} {what}" for what, count in tally.refused.most_common())


def main() -> int:
    parser = argparse.ArgumentParser(description="mutated models through the compiler")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the first case")
    parser.add_argument("--count", type=int, default=1 << 40, help="at most so many cases")
    parser.add_argument("--json", type=Path, help="write counts and findings there")
    parser.add_argument("--write", type=Path, help="write the first case's model there, and do nothing else")
    options = parser.parse_args()
    if options.write:
        options.write.write_bytes(mutated(np.random.default_rng((options.seed, options.first)), corpus())[0])
        return 0
    tally, start = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eightbit-fuzz-") as home:
        tempfile.tempdir = home  # what workers leave behind when they are killed
        watch(options.seed, options.first, options.first + options.count, options.seconds, tally)
    for line in lines(tally, time.monotonic() - start):
        print(line)
    if options.json:
        options.json.write_text(json.dumps(vars(tally), indent=1) + "\n")
    return int(bool(tally.findings))


if __name__ == "__main__":
    sys.exit(main())
