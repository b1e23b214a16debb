# SPDX-License-Identifier: Apache-2.0
"""The sweep over random graphs: compile, verify, and SQNR against float and against ONNX Runtime's quantiser.

`python benchmarks/graph_sweep.py --count 500 --seed 1 [--json FILE]`: the seeds SEED .. SEED + COUNT - 1.
Exit status 1 if a graph does not compile, a byte differs, a probability is far off, or an output is a whole bit worse
than ONNX Runtime's and than what rounding the activations alone gives.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from reference_quantiser import (
    Activations,
    Samples,
    ceiling,
    observe,
    quantise_static,
    range_source,
    scored,
    sqnr,
)

import eightbit
from random_graphs import random_model, run_float

GOAL = 30.0  # dB on the calibration samples
ALLOWANCE = 3.0  # dB below ONNX Runtime on fresh samples: beyond it a graph is listed
BIT = 6.0  # dB: softmax outputs step by powers of two, which may cost nearly as much; beyond it a graph has failed
VERIFIED = 8  # samples
UNQUANTISED = 100.0  # dB: from here on nothing was rounded to 8 bits
SECONDS = 180  # for one graph
SOFTMAX_ERROR = 0.15  # largest error of a probability before the operator itself is suspected


@dataclass
class Score:
    """One output, in dB, on its calibration samples and on fresh ones (NaN: not known)."""

    output: str
    calibration: float = math.nan
    fresh: float = math.nan
    ceiling_calibration: float = math.nan  # only this output rounded to s8
    ceiling_fresh: float = math.nan
    activations_calibration: float = math.nan  # all activations rounded to s8, weights and arithmetic exact
    activations_fresh: float = math.nan
    reference_calibration: float = math.nan  # ONNX Runtime's static quantisation
    reference_fresh: float = math.nan

    def figures(self) -> dict[str, object]:
        """For JSON, which has no NaN."""
        return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in vars(self).items()}

    def row(self, part: str) -> str:
        kinds = ("", "ceiling_", "activations_", "reference_")
        return " ".join(f"{getattr(self, kind + part):5.1f}" for kind in kinds)

    @property
    def gap(self) -> float:
        """By how much eightbit is above ONNX Runtime on fresh samples; NaN where that one stays in float."""
        return math.nan if self.reference_fresh >= UNQUANTISED else self.fresh - self.reference_fresh

    @property
    def short(self) -> bool:
        """Too far below, and 8-bit activations are not why (ONNX Runtime leaves some of them in float)."""
        return self.gap < -BIT and self.fresh < self.activations_fresh - BIT


@dataclass
class Outcome:
    seed: int
    graph: str = ""
    scores: list[Score] = field(default_factory=list)
    error: str = ""  # eightbit's, with the stage
    reference_error: str = ""
    differing_bytes: int = 0
    first_difference: str = ""
    softmax_error: float = 0.0
    explanation: str = ""
    seconds: float = 0.0

    @property
    def below_goal(self) -> bool:
        return any(s.calibration < GOAL for s in self.scores)

    @property
    def below_reference(self) -> bool:
        return any(s.gap < -ALLOWANCE for s in self.scores)

    @property
    def failed(self) -> bool:
        short = any(s.short for s in self.scores)
        return bool(self.error or self.differing_bytes or short or self.softmax_error > SOFTMAX_ERROR)


def describe(model: onnx.ModelProto) -> str:
    ops = [node.op_type for node in model.graph.node if node.op_type != "Constant"]
    return f"opset {model.opset_import[0].version}: {' '.join(ops)}"


def late(*_: object) -> NoReturn:
    raise TimeoutError(f"not done after {SECONDS} s")


def message(error: Exception) -> str:
    """What a user sees for an error that was raised on purpose; otherwise type, text and place."""
    said = [str(getattr(error, part, "") or "") for part in ("what", "where", "why", "hint")]
    if said[0]:
        return " | ".join(said)
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).replace("\n", " ")[:300]
    return f"{type(error).__name__}: {text} ({Path(place.filename).name}:{place.lineno})"


def measure(seed: int, reference_only: bool = False) -> Outcome:
    """Everything about one graph; errors are recorded, not raised."""
    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    start = time.perf_counter()
    model, calibration, fresh = random_model(seed)
    outcome = Outcome(seed, describe(model))
    try:
        judge = scored(model)
        float_side(outcome, judge, calibration, fresh)
        reference_side(outcome, judge, calibration, fresh)
        if not reference_only:
            eightbit_side(outcome, model, judge, calibration, fresh)
        if outcome.below_goal or outcome.below_reference or reference_only:
            outcome.explanation = Activations(judge, calibration).explain()
    except Exception as error:  # one graph's failure is a result of the sweep
        outcome.error = outcome.error or f"benchmark: {message(error)}"
    signal.alarm(0)
    outcome.seconds = time.perf_counter() - start
    return outcome


def float_side(outcome: Outcome, judge: onnx.ModelProto, calibration: Samples, fresh: Samples) -> None:
    """What 8 bits allow, with ranges from the calibration samples."""
    sources = {value.name: range_source(judge, value.name) for value in judge.graph.output}
    ranges = observe(judge, sources.values(), calibration)
    outcome.scores = [Score(name) for name in sources]
    activations = Activations(judge, calibration)
    for part, samples in (("calibration", calibration), ("fresh", fresh)):
        want, every = run_float(judge, samples), activations.sqnr_with(activations.values, samples)
        for score in outcome.scores:
            limit = ceiling(ranges[sources[score.output]], want[score.output])
            setattr(score, f"ceiling_{part}", limit)
            setattr(score, f"activations_{part}", every[score.output])


def reference_side(outcome: Outcome, judge: onnx.ModelProto, calibration: Samples, fresh: Samples) -> None:
    try:
        quantised = quantise_static(judge, calibration)
        got = run_float(quantised, calibration), run_float(quantised, fresh)
    except Exception as error:  # whatever ONNX Runtime's quantiser stumbles over
        outcome.reference_error = message(error)
        return
    want = run_float(judge, calibration), run_float(judge, fresh)
    for score in outcome.scores:
        score.reference_calibration = sqnr(want[0][score.output], got[0][score.output])
        score.reference_fresh = sqnr(want[1][score.output], got[1][score.output])


def eightbit_side(
    outcome: Outcome, model: onnx.ModelProto, judge: onnx.ModelProto, calibration: Samples, fresh: Samples
) -> None:
    stage = "compile"
    try:
        build = eightbit.compile(model, calibration)
        stage = "verify"
        callers = eightbit.compile(model, calibration, io="caller", optimize="size")
        real = {name: rows[:VERIFIED] for name, rows in calibration.items()}
        for made, samples in ((build, None), (build, real), (callers, real)):
            result = made.verify(samples)
            outcome.differing_bytes += result.differing_bytes
            outcome.first_difference = outcome.first_difference or str(result.first_difference or "")
        stage = "simulate"
        if judge is not model:
            outcome.softmax_error = softmax_error(model, calibration, build.simulate_float(calibration))
            build = eightbit.compile(judge, calibration)
        got = build.simulate_float(calibration), build.simulate_float(fresh)
    except Exception as error:  # one graph's failure is a result of the sweep
        outcome.error = f"{stage}: {message(error)}"
        return
    want = run_float(judge, calibration), run_float(judge, fresh)
    for score in outcome.scores:
        score.calibration = sqnr(want[0][score.output], got[0][score.output])
        score.fresh = sqnr(want[1][score.output], got[1][score.output])


def softmax_error(model: onnx.ModelProto, samples: Samples, got: Mapping[str, npt.NDArray[np.floating[Any]]]) -> float:
    """Largest error of the outputs whose SQNR is measured before a Softmax."""
    want, before = run_float(model, samples), {value.name for value in scored(model).graph.output}
    flat = len(next(iter(samples.values()))), -1
    return max(
        float(np.abs(want[name].reshape(flat) - got[name].reshape(flat)).max()) for name in want if name not in before
    )


def table(outcomes: list[Outcome]) -> Iterator[str]:
    """The report, line by line."""
    count = len(outcomes)
    compiled = [o for o in outcomes if not o.error]
    scores = [s for o in compiled for s in o.scores]
    yield f"graphs                                   {count}"
    yield f"compiled and ran                         {len(compiled)}"
    yield f"with differing bytes                     {sum(o.differing_bytes > 0 for o in outcomes)}"
    yield f"below {GOAL:.0f} dB on calibration samples       {sum(o.below_goal for o in outcomes)}"
    yield f"over {ALLOWANCE:.0f} dB below ONNX Runtime on fresh    {sum(o.below_reference for o in outcomes)}"
    yield f"ONNX Runtime's quantiser fails           {sum(bool(o.reference_error) for o in outcomes)}"
    floats = sum(s.reference_fresh >= UNQUANTISED for o in outcomes for s in o.scores)
    yield f"outputs it leaves wholly in float        {floats}"
    yield f"failed                                   {sum(o.failed for o in outcomes)}"
    yield f"median on calibration samples            {median(scores, 'calibration')}"
    yield f"median on fresh samples                  {median(scores, 'fresh')}"
    yield f"the same, ONNX Runtime                   {median(scores, 'reference_fresh')}"
    gaps = [s.gap for s in scores if not math.isnan(s.gap)]
    if gaps:
        yield f"eightbit less ONNX Runtime, fresh        {min(gaps):.1f} worst, {np.median(gaps):.1f} median"
    yield from failures(outcomes)
    yield from section(f"below {GOAL:.0f} dB on their calibration samples", [o for o in outcomes if o.below_goal])
    yield from section("over 3 dB below ONNX Runtime on fresh samples", [o for o in outcomes if o.below_reference])
    reasons = Counter(o.reference_error.split(":")[0] for o in outcomes if o.reference_error)
    for reason, times in reasons.most_common():
        seeds = [o.seed for o in outcomes if o.reference_error.startswith(reason)]
        yield f"ONNX Runtime's quantiser: {times} times {reason}, seeds {seeds[:8]}"


def median(scores: list[Score], name: str) -> str:
    values = [getattr(s, name) for s in scores if not math.isnan(getattr(s, name))]
    return f"{np.median(values):.1f}" if values else "-"


def failures(outcomes: list[Outcome]) -> Iterator[str]:
    for o in outcomes:
        if o.error:
            yield f"seed {o.seed} ({o.graph}) {o.error}"
        if o.differing_bytes:
            yield f"seed {o.seed} ({o.graph}) {o.differing_bytes} bytes differ, first {o.first_difference}"
        if o.softmax_error > SOFTMAX_ERROR:
            yield f"seed {o.seed} ({o.graph}) Softmax is off by {o.softmax_error:.2f}"


def section(title: str, outcomes: list[Outcome]) -> Iterator[str]:
    yield f"\n{title}: {len(outcomes)}"
    if outcomes:
        yield "dB: eightbit; only the output in s8; all activations in s8; ONNX Runtime. Calibration | fresh samples"
    for o in outcomes:
        yield f"seed {o.seed} ({o.graph}) {o.explanation}{' FAILED' if o.failed else ''}"
        yield from (f"    {s.row('calibration')} | {s.row('fresh')}  {s.output[:40]!r}" for s in o.scores)


def main() -> int:
    parser = argparse.ArgumentParser(description="compile, verify and measure random graphs")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--json", type=Path, help="write every graph's figures there")
    parser.add_argument("--reference-only", action="store_true", help="ONNX Runtime's side alone")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    outcomes = []
    with ProcessPoolExecutor(2) as pool:
        for outcome in pool.map(measure, seeds, [options.reference_only] * options.count):
            outcomes.append(outcome)
            print(f"\r{len(outcomes)} of {options.count}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for line in table(outcomes):
        print(line)
    if options.json:
        rows = [dataclasses.asdict(o) | {"scores": [s.figures() for s in o.scores]} for o in outcomes]
        options.json.write_text(json.dumps(rows, indent=1, allow_nan=False) + "\n")
    return int(any(o.failed for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
