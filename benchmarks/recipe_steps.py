# SPDX-License-Identifier: Apache-2.0
"""What each step of the quantisation recipe is worth, and where it harms: dB on samples that were not calibrated with.

`python benchmarks/recipe_steps.py [--count 200] [--seed 1] [--json FILE] [--cases FOLDER]`: the real networks with four
choices of calibration samples, the zoo, the cases with uneven and dead channels, and random graphs. Every step alone,
all of them without the guard, and the default recipe are compared with ranges and bias correction alone. Needs
EIGHTBIT_MODELS. Exit status 1 if the default loses more than 0.3 dB on a real network.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from first_light import CHOICES

import real
from eightbit import pipeline, simulate
from eightbit.errors import InputError
from eightbit.frontend import load
from eightbit.frontend import samples as sampling
from eightbit.frontend.float_run import FloatModel
from eightbit.frontend.graph import Graph
from eightbit.ir.fixed import dequantise
from eightbit.ir.program import stored
from eightbit.ptq import recipe
from eightbit.ptq.calibrate import calibrate
from eightbit.ptq.calibration import Calibration
from eightbit.ptq.quantize import quantize
from eightbit.ptq.recipe import Recipe
from random_graphs import random_model

STEPS = {
    "basic": Recipe(False, False, False),
    "equalize": Recipe(True, False, False),
    "descent": Recipe(False, True, False),
    "activation": Recipe(False, False, True),
    "all, unguarded": Recipe(),
}
DEFAULT = "default"
LOSS = 0.3  # dB below ranges and bias correction that the default may lose on a real network
ZOO_SAMPLES = 100  # to calibrate with, and as many fresh ones
SHOWN = 6  # worst losses of each step
Arrays = Mapping[str, NDArray[Any]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A network with its calibration samples and fresh ones, loaded when it is measured."""

    kind: str
    name: str
    choice: str = ""

    def load(self) -> tuple[Any, Arrays, Arrays]:
        """Model, calibration samples, fresh samples."""
        if self.kind == "random":
            return random_model(int(self.name))
        if self.kind == "real":
            network = (real.TINY | real.NETWORKS)[self.name]
            calibration = real.samples(network, "calib", CHOICES[self.choice])[network.input]
            fresh = real.samples(network, "eval")[network.input]
            return real.path(network), {network.input: calibration}, {network.input: fresh}
        if self.kind == "case":
            return self.name, *case_samples(Path(self.name))
        rng = np.random.default_rng(0)
        return self.name, *(normal_samples(Path(self.name), rng) for _ in range(2))


def case_samples(model: Path) -> list[Arrays]:
    """Samples to calibrate with and samples to evaluate on, as cases.json says."""
    if model.stem == "spread":
        return [arrays(model.with_name(f"spread.{split}.inputs.npz")) for split in ("calib", "eval")]
    given = arrays(model.with_name(f"{model.stem}.inputs.npz"))
    return [{name: array[part] for name, array in given.items()} for part in (slice(64), slice(64, None))]


def arrays(path: Path) -> Arrays:
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files if name != "labels"}


def normal_samples(model: Path, rng: np.random.Generator) -> Arrays:
    """Normal samples: the zoo has random weights."""
    graph = onnx.load(model).graph
    known = {tensor.name for tensor in graph.initializer}
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.input if v.name not in known}
    return {name: rng.standard_normal((ZOO_SAMPLES, *shape[1:])).astype(np.float32) for name, shape in shapes.items()}


def measure(subject: Subject) -> Row:
    """dB on fresh samples by step, and on the calibration samples; an `error` where the network does not compile."""
    found: Row = {"kind": subject.kind, "name": Path(subject.name).name, "choice": subject.choice}
    try:
        model, given, fresh = subject.load()
        graph = pipeline.float_graph(load.load(model))
        shapes = {value: graph.shapes[value] for value in graph.inputs}
        x, y = sampling.read(given, shapes), sampling.read(fresh, shapes)
        measured = calibrate(graph, x)
        results = Results(graph, measured, y)
        for name, steps in STEPS.items():
            done, noise = recipe.tried(graph, measured, x, steps)
            found[name], found[f"{name}, samples"] = results.sqnr(done), decibels(noise)
        found[DEFAULT] = results.sqnr(recipe.complete(graph, measured, x, Recipe()))
    except InputError as error:
        found["error"] = str(error).splitlines()[0]
    return found


class Results:
    """The float results of a network on samples, to judge programs by."""

    def __init__(self, graph: Graph, measured: Calibration, samples: sampling.Samples) -> None:
        self.graph, self.samples = graph, samples
        values = list(measured.expected)
        rows = [[made[v].ravel() for v in values] for made in FloatModel(graph.model, values).each(samples)]
        self.want = {value: np.stack([row[i] for row in rows]).astype(np.float64) for i, value in enumerate(values)}

    def sqnr(self, done: Calibration) -> float:
        """Over all results, each measured in its own energy, as the recipe's guard does."""
        program = quantize(self.graph, done)
        watched = recipe.watch(program, done)
        parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in watched}
        for made in simulate.chunks(program, simulate.input_batch(program, self.samples)):
            for name, rows in parts.items():
                tensor = program.tensors[name]
                rows.append(dequantise(stored(made[name], tensor), tensor.scale, tensor.zero_point))
        noise = 0.0
        for name, rows in parts.items():
            want = self.want[watched[name]]
            noise += float(((np.concatenate(rows) - want) ** 2).sum() / (want**2).sum())
        return decibels(noise)


def decibels(noise: float) -> float:
    return -10 * math.log10(max(noise, 1e-20))


def subjects(options: argparse.Namespace) -> Iterator[Subject]:
    root = real.folder()
    assert root is not None, f"{real.VARIABLE} is not set"
    for name in {**real.TINY, **real.NETWORKS}:
        yield from (Subject("real", name, choice) for choice in CHOICES if not name.endswith("_dynamo"))
    yield from (Subject("zoo", str(path)) for path in sorted(root.glob("zoo/*.onnx")))
    if options.cases:
        for case in ("05_dead_channels", "12_depthwise_spread"):
            yield from (Subject("case", str(path)) for path in sorted((options.cases / case).glob("*.onnx")))
    yield from (Subject("random", str(seed)) for seed in range(options.seed, options.seed + options.count))


def worst(rows: list[Row], kind: str) -> Iterator[str]:
    """Per step: the median change in dB, and where it loses most."""
    measured = [row for row in rows if row["kind"] == kind and "error" not in row]
    failed = sum(row["kind"] == kind and "error" in row for row in rows)
    yield f"\n{kind}: {len(measured)} measured, {failed} do not compile"
    for step in (*list(STEPS)[1:], DEFAULT) if measured else ():
        changes = sorted(measured, key=lambda row: change(row, step))
        median = float(np.median([change(row, step) for row in measured]))
        losses = [f"{change(row, step):.2f} {row['name']} {row['choice']}".strip() for row in changes[:SHOWN]]
        yield f"  {step}: median {median:+.2f} dB; worst {', '.join(losses)}"


def change(row: Row, step: str) -> float:
    return float(row[step] - row["basic"])


def line(row: Row) -> str:
    figures = [f"{step} {row[step]:.2f}" for step in (*STEPS, DEFAULT)] if "error" not in row else [row["error"]]
    return f"{row['kind']} {row['name']} {row['choice']}: {', '.join(figures)}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="random graphs")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--kinds", default="real,zoo,case,random")
    parser.add_argument("--cases", type=Path, help="the folder of the trouble cases")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    kinds, rows = options.kinds.split(","), []
    with ProcessPoolExecutor(2) as pool:
        for row in pool.map(measure, [s for s in subjects(options) if s.kind in kinds]):
            rows.append(row)
            if row["kind"] != "random":
                print(line(row), flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n")
    print("\n".join(text for kind in kinds for text in worst(rows, kind)))
    lost = [row for row in rows if row["kind"] == "real" and change(row, DEFAULT) < -LOSS]
    print("\n".join(f"LOST {line(row)}" for row in lost) or f"no real network loses more than {LOSS} dB")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
