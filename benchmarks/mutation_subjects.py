# SPDX-License-Identifier: Apache-2.0
"""What `mutations.py` mutates: builds in folders, and samples to run them on."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import eightbit
from eightbit import ops, simulate
from eightbit.emission import selftest
from eightbit.frontend import samples
from eightbit.ir.fixed import Int8
from eightbit.ir.program import Call, Program
from eightbit.target import Target

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from models import model, node
from own_networks import noise, own_networks

MODELS = {  # name: (file, set of samples)
    "digits_cnn": ("digits/digits_cnn.ts.onnx", "digits"),
    "digits_mlp": ("digits/digits_mlp.ts.onnx", "digits"),
    "kws": ("mlperf_tiny/kws/kws_float_from_keras.onnx", "kws"),
}
SHARE = {"kernel": 12, "weight": 2, "bias": 2, "params": 2, "m15": 3, "table": 4}  # of 25
ROLES = {"weight": "weights", "bias": "bias", "m15": "mult", "table": "table"}
STEPS = {"m15": 1 << 16, "table": 8}  # other constants change by 1
CALIBRATION, EVALUATION = 100, 200
PARTS = (slice(CALIBRATION), slice(CALIBRATION, None))
FIRST = 8  # real samples, and seeded ones, that every mutation runs on
SEEDED = 64  # vectors of the second, larger run
BLENDS = 40  # batches of the search for a sample that shows a change
SECONDS = 20  # until a run of mutated C counts as endless
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FOLDED = ("-O3", "-DE8_KERNEL=__attribute__((always_inline)) static inline")  # every call with its own Params
PLAIN = ("-O2",)

Batch = Mapping[str, Int8]


@dataclass(frozen=True)
class Subject:
    """A build in a folder, and quantised evaluation samples by input tensor."""

    name: str
    out: Path
    program: Program
    target: Target
    real: Batch

    def batches(self) -> Iterator[Batch]:
        """Ever more samples: a few, then all real ones with seeded and extreme ones, then blends with noise."""
        seeded = [selftest.seeded_inputs(self.program, number) for number in range(SEEDED)]
        yield joined([first(self.real, FIRST), *seeded[:FIRST]])
        yield joined([self.real, *seeded, *extremes(self.program)])
        rng, affordable = np.random.default_rng(20), 2**28 // ops.total_macs(self.program)
        for _ in range(BLENDS):
            yield {name: blends(array, min(4096, max(256, affordable)), rng) for name, array in self.real.items()}

    def call(self, name: str) -> Call:
        return next(call for call in self.program.calls if call.name == name)


@dataclass(frozen=True)
class Mutation:
    """One change of one file. `address` is (call, array or field, index) of a constant."""

    kind: str
    model: str
    file: str
    line: int
    at: int
    old: str
    new: str
    address: tuple[str, str, int] | None = None

    def apply(self, folder: Path) -> None:
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        if not text.startswith(self.old, self.at):
            raise ValueError(f"{self} does not fit {path}")
        path.write_text(text[: self.at] + self.new + text[self.at + len(self.old) :], encoding="utf-8")

    @property
    def where(self) -> str:
        return "{}.{}[{}]".format(*self.address) if self.address else f"{self.file}:{self.line}"


def small_model() -> onnx.ModelProto:
    """A graph in which every kernel occurs, with sizes, strides and pads that differ where they could be confused."""
    nodes = [
        node("Conv", "x w1 b1", "c1", group=2, strides=[2, 1], pads=[1, 1, 1, 2], dilations=[1, 2]),
        node("Conv", "c1 w2 b2", "c2", group=6, strides=[1, 2], pads=[0, 1, 1, 1], dilations=[2, 1]),
        node("Sigmoid", "c2", "s"),
        node("AveragePool", "s", "a", kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1]),
        node("Conv", "a w3 b3", "p"),
        node("GlobalAveragePool", "p", "means"),
        node("Sigmoid", "p", "gate"),
        node("Clip", "p low high", "clipped"),
        node("Add", "clipped gate", "sum"),
        node("MaxPool", "sum", "m", kernel_shape=[2, 2], strides=[2, 1], pads=[0, 1, 0, 0]),
        node("Transpose", "m", "moved", perm=[0, 3, 1, 2]),
        node("Reshape", "m flat", "r"),
        node("Gemm", "r w4 b4", "logits", transB=1),
        node("Softmax", "logits", "probabilities", axis=1),
    ]
    rng = np.random.default_rng(3)
    consts: dict[str, NDArray[Any]] = {"flat": np.array([1, 48]), "low": np.array(-0.4), "high": np.array(0.8)}
    shapes = [((6, 2, 3, 2), 1.5), ((12, 1, 2, 3), 1.5), ((8, 12, 1, 1), 1.5), ((10, 48), 6)]  # 6: a peaked softmax
    for number, (shape, gain) in enumerate(shapes, start=1):
        consts[f"w{number}"] = rng.normal(0, gain / np.sqrt(np.prod(shape[1:])), shape)
        consts[f"b{number}"] = rng.normal(0, 0.4, shape[0])
    outputs = {"means": [1, 8, 1, 1], "moved": [1, 3, 8, 2], "probabilities": [1, 10]}
    return model(nodes, {"x": [1, 4, 9, 8]}, outputs, consts)


def small_samples() -> NDArray[np.float32]:
    """Samples for calibration, then for evaluation."""
    return np.random.default_rng(4).normal(0, 1, (CALIBRATION + EVALUATION, 4, 9, 8)).astype(np.float32)


def small_subject(work: Path) -> Subject:
    noise = small_samples()
    return subject(eightbit.compile(small_model(), noise[:CALIBRATION], name="small"), noise[CALIBRATION:], work)


def subject(build: eightbit.Build, evaluation: samples.Source, work: Path) -> Subject:
    """The build, written to a folder in `work`."""
    program, name = build.program, build.emission.name
    given = samples.read(evaluation, {port.name: port.shape for port in program.inputs})
    return Subject(name, build.write(work / name), program, build.target, simulate.input_batch(program, given))


def subjects(models: Path | None, work: Path) -> Iterator[Subject]:
    yield small_subject(work)
    for name, make in own_networks().items():
        proto = make()
        both = noise(proto, CALIBRATION + EVALUATION)
        calibration, evaluation = ({port: x[part] for port, x in both.items()} for part in PARTS)
        yield subject(eightbit.compile(proto, calibration, name=name), evaluation, work)
    if models is None:
        return
    spec = importlib.util.spec_from_file_location("model_samples", models / "samples.py")
    if spec is None or spec.loader is None or not (models / "samples.py").exists():
        raise SystemExit(f"{models} has no samples.py")
    shared = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shared)
    for name, (file, data) in MODELS.items():
        path = models / file
        port, calibration = shared.fit(data, shared.load(data, "calib", CALIBRATION)[0], path)
        _, evaluation = shared.fit(data, shared.load(data, "eval", EVALUATION)[0], path)
        yield subject(eightbit.compile(path, {port: calibration}, name=name), {port: evaluation}, work)


def first(batch: Batch, count: int) -> Batch:
    return {name: array[:count] for name, array in batch.items()}


def one(batch: Batch, index: int) -> Batch:
    return {name: array[index : index + 1] for name, array in batch.items()}


def size(batch: Batch) -> int:
    return len(next(iter(batch.values())))


def joined(batches: list[Batch]) -> Batch:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def extremes(program: Program) -> list[Batch]:
    shapes = {port.tensor: program.tensors[port.tensor].shape for port in program.inputs}
    return [{name: np.full((1, *shape), v, np.int8) for name, shape in shapes.items()} for v in (-128, -1, 0, 1, 127)]


def blends(real: Int8, count: int, rng: np.random.Generator) -> Int8:
    """Mixtures of two samples with noise of many widths; every eighth is noise alone."""
    a, b = (real[rng.integers(len(real), size=count)].astype(np.float64) for _ in range(2))
    each = (count, 1, 1, 1)
    part, width = rng.uniform(-0.5, 1.5, each), 2.0 ** rng.uniform(-2, 7, each)
    mixed = a * part + b * (1 - part) + rng.normal(0, 1, a.shape) * width
    mixed[::8] = rng.integers(-128, 128, a[::8].shape)
    return np.asarray(np.clip(np.rint(mixed), -128, 127), np.int8)


def free_inputs(call: Call, program: Program, index: int, rng: np.random.Generator) -> Batch:
    """Any input of one call: noise of many widths round many centres; softmax reads entry `index` of its table."""
    found = {}
    for name in call.inputs:
        shape, count = program.tensors[name].shape, max(256, 2**20 // program.tensors[name].size)
        width, centre = 2.0 ** rng.uniform(0, 8, (count, 1, 1, 1)), rng.uniform(-128, 127, (count, 1, 1, 1))
        x = np.clip(np.rint(rng.normal(0, 1, (count, *shape)) * width + centre), -128, 127)
        if call.op == "softmax":
            x[..., 0] = np.maximum(x.max(axis=-1), index - 128)
            x[..., 1] = x[..., 0] - index
        found[name] = x.astype(np.int8)
    return found
