# SPDX-License-Identifier: Apache-2.0
"""Does `verify` see a fault? Mutates emitted C by seed, runs verify on it, and explains every survivor.

`EIGHTBIT_MODELS=DIR python benchmarks/mutations.py --seed 1 --count 50 [--json FILE]`; without DIR only the
built-in graph is mutated. Exit status 1 if a mutation survives without an explanation.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import eightbit
from eightbit import check, emit, ops, pipeline, samples, simulate, verify
from eightbit.fixed import Int8, Shifts, requantise
from eightbit.ops.opdef import c_fields
from eightbit.program import Call, Port, Program, stored
from eightbit.target import Target

MODELS = {  # name: (file, set of samples)
    "digits_cnn": ("digits/digits_cnn.ts.onnx", "digits"),
    "digits_mlp": ("digits/digits_mlp.ts.onnx", "digits"),
    "kws": ("mlperf_tiny/kws/kws_float_from_keras.onnx", "kws"),
}
KINDS = ("kernel",) * 12 + ("weight", "bias", "params") * 2 + ("m15",) * 3 + ("table",) * 4  # drawn in turn
CALIBRATION, EVALUATION, FIRST = 100, 200, 8
SECONDS = 20  # until a run of mutated C counts as endless
BATCH, BATCHES = 256, 40  # samples of the search for one that shows a fault
SANITIZED = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FOLDED = ("-O3", "-DE8_KERNEL=__attribute__((always_inline)) static inline")

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
        """Ever more samples: real and seeded ones first, then blends of real ones with noise."""
        seeded = [seeded_batch(self.program, i) for i in range(64)]
        yield joined([first(self.real, FIRST), *seeded[:FIRST]])
        yield joined([self.real, *seeded, *extremes(self.program)])
        rng = np.random.default_rng(20)
        for _ in range(BATCHES):
            yield {name: blends(array, rng) for name, array in self.real.items()}


@dataclass(frozen=True)
class Mutation:
    """One change of one file. `address` is (call, role or field, index) where the Program has a twin of it."""

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
            raise AssertionError(f"{self} does not fit {path}")
        path.write_text(text[: self.at] + self.new + text[self.at + len(self.old) :], encoding="utf-8")

    @property
    def where(self) -> str:
        return "{}.{}[{}]".format(*self.address) if self.address else f"{self.file}:{self.line}"


@dataclass
class Verdict:
    """`status`: caught, equivalent, hidden (on all samples; effect bounded) or survived."""

    status: str
    evidence: str
    difference: verify.Difference | None = None
    samples: int = 0


# --- builds to mutate -------------------------------------------------------------------------------------


def small_model() -> onnx.ModelProto:
    """A graph in which every kernel occurs and no two sizes, strides or pads that could be confused are equal."""
    rng = np.random.default_rng(3)
    constants = {
        "low": np.float32(-0.4),
        "high": np.float32(0.8),
        "shape": np.array([1, 48]),
        **{
            name: rng.normal(0, 1.5 / np.sqrt(np.prod(shape[1:]) or 10), shape).astype(np.float32)
            for name, shape in {
                "w1": (6, 2, 3, 2), "b1": (6,), "w2": (12, 1, 2, 3), "b2": (12,), "w3": (8, 12, 1, 1),
                "b3": (8,), "w4": (10, 48), "b4": (10,),
            }.items()
        },
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], group=2, strides=[2, 1], pads=[1, 1, 1, 2], dilations=[1, 2]),
        node("Conv", ["c1", "w2", "b2"], ["c2"], group=6, strides=[1, 2], pads=[0, 1, 1, 1], dilations=[2, 1]),
        node("Sigmoid", ["c2"], ["s"]),
        node("AveragePool", ["s"], ["a"], kernel_shape=[2, 3], strides=[1, 2], pads=[1, 1, 0, 1]),
        node("Conv", ["a", "w3", "b3"], ["p"]),
        node("GlobalAveragePool", ["p"], ["means"]),
        node("Clip", ["p", "low", "high"], ["clipped"]),
        node("MaxPool", ["clipped"], ["m"], kernel_shape=[2, 2], strides=[2, 1], pads=[0, 1, 0, 0]),
        node("Transpose", ["m"], ["t"], perm=[0, 1, 3, 2]),
        node("Reshape", ["t", "shape"], ["flat"]),
        node("Gemm", ["flat", "w4", "b4"], ["logits"], transB=1),
        node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]

    def value(name: str, *shape: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    outputs = [value("means", 1, 8, 1, 1), value("probabilities", 1, 10)]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "small", [value("x", 1, 4, 9, 8)], outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def small_build() -> tuple[eightbit.Build, NDArray[np.float32]]:
    """The build of `small_model`, and samples that it was not calibrated on."""
    noise = np.random.default_rng(4).normal(0, 1, (CALIBRATION + EVALUATION, 4, 9, 8)).astype(np.float32)
    return eightbit.compile(small_model(), noise[:CALIBRATION], name="small"), noise[CALIBRATION:]


def subject(build: eightbit.Build, evaluation: Any, work: Path) -> Subject:
    name = build.emission.name
    given = samples.read(evaluation, {port.name: port.shape for port in build.program.inputs})
    real = simulate.input_batch(build.program, given)
    return Subject(name, build.write(work / name), build.program, build.target, real)


def subjects(models: Path | None, work: Path) -> Iterator[Subject]:
    yield subject(*small_build(), work)
    if models is None:
        return
    spec = importlib.util.spec_from_file_location("shared_samples", models / "samples.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no samples.py in {models}")
    shared = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(shared)
    for name, (file, data) in MODELS.items():
        path = models / file
        port, calibration = shared.fit(data, shared.load(data, "calib", CALIBRATION)[0], path)
        _, evaluation = shared.fit(data, shared.load(data, "eval", EVALUATION)[0], path)
        yield subject(eightbit.compile(path, {port: calibration}, name=name), {port: evaluation}, work)


# --- samples ----------------------------------------------------------------------------------------------


def first(batch: Batch, count: int) -> Batch:
    return {name: array[:count] for name, array in batch.items()}


def joined(batches: list[Batch]) -> Batch:
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def seeded_batch(program: Program, number: int) -> Batch:
    return emit.seeded_inputs(program, number)


def extremes(program: Program) -> list[Batch]:
    shapes = {port.tensor: program.tensors[port.tensor].shape for port in program.inputs}
    return [{n: np.full((1, *s), v, np.int8) for n, s in shapes.items()} for v in (-128, -1, 0, 1, 127)]


def blends(real: Int8, rng: np.random.Generator) -> Int8:
    """Mixtures of two samples with noise of many widths; every eighth is noise alone."""
    count = min(16 * BATCH, max(BATCH, 2**20 // real[0].size))
    a, b = (real[rng.integers(len(real), size=count)].astype(np.float64) for _ in range(2))
    spread = (count, *[1] * (real.ndim - 1))
    part, width = rng.uniform(-0.5, 1.5, spread), 2.0 ** rng.uniform(-2, 7, spread)
    mixed = a * part + b * (1 - part) + rng.normal(0, 1, a.shape) * width
    mixed[::8] = rng.integers(-128, 128, a[::8].shape)
    return np.clip(np.rint(mixed), -128, 127).astype(np.int8)


# --- mutations --------------------------------------------------------------------------------------------

IGNORED = re.compile(r"/\*.*?\*/|//[^\n]*|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.DOTALL | re.MULTILINE)
OPERATORS = {
    "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"], "%": ["/"], "<": ["<=", ">"], "<=": ["<"], ">": [">=", "<"],
    ">=": [">"], "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"], "<<": [">>"], ">>": ["<<"],
    "+=": ["-="], "-=": ["+="],
}  # fmt: skip
BINARY = re.compile(r"(?<=[\w)\]] )(?:" + "|".join(map(re.escape, sorted(OPERATORS, key=len)[::-1])) + r")(?= )")
STEP = re.compile(r"\+\+|--")
NUMBER = re.compile(r"(?<![\w.])\d+(?![\w.])")
TWINS = (
    "stride_y stride_x", "dil_y dil_x", "pad_top pad_left", "kh kw", "in_h in_w", "ky kx", "row pixel",
    "pixel plane", "act_min act_max", "acc_lshift out_rshift", "count_y0 count_y1", "count_x0 count_x1",
    "in_ch out_ch", "first n", "in out", "low high", "lo hi", "top left", "t u", "x c", "extent stride",
)  # fmt: skip
SWAPS = {a: b for pair in TWINS for a, b in (pair.split(), reversed(pair.split()))}
NAME = re.compile(r"\b(?:" + "|".join(SWAPS) + r")\b")
LITERAL = re.compile(r"-?\d+|\(-2147483647 - 1\)")


def kernel_sites(it: Subject) -> Iterator[Mutation]:
    """Every token of kernels, e8_math.h and e8_rows.h that has a wrong neighbour."""
    for path in sorted([*it.out.glob("e8_*.inc"), it.out / "e8_math.h", it.out / "e8_rows.h"]):
        text = path.read_text(encoding="utf-8")
        code = IGNORED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        for pattern, wrong in (
            (BINARY, OPERATORS.__getitem__),
            (STEP, lambda token: ["--" if token == "++" else "++"]),
            (NUMBER, lambda token: [str(int(token) + 1), *([str(int(token) - 1)] if int(token) else [])]),
            (NAME, lambda token: [SWAPS[token]]),
        ):
            assert callable(wrong)
            for found in pattern.finditer(code):
                for new in wrong(found[0]):
                    line = text.count("\n", 0, found.start()) + 1
                    yield Mutation("kernel", it.name, path.name, line, found.start(), found[0], new)


def data_sites(it: Subject, kind: str, rng: np.random.Generator) -> Iterator[Mutation]:
    """Changes of constants: a few elements of every array of a kind, every field of every Params."""
    for call in it.program.calls:
        if kind == "params":
            for name, _, length in c_fields(type(call.params)) if ops.get(call.op).has_code else ():
                for index in range(length or 1):
                    yield changed(it, kind, call, name, index, int(rng.choice([-1, 1])))
        for role in [r for r in call.consts if r == ARRAYS.get(kind) and (r != "mult" or "bias" in call.consts)]:
            array = call.consts[role]
            choice = sorted(read_entries(it, call)) if kind == "table" else range(array.size)
            step = {"m15": 1 << 16, "table": 8}.get(kind, 1)
            for index in rng.permutation(choice)[:12]:
                limits = np.iinfo(array.dtype)
                up = bool(rng.integers(2)) and int(array.flat[index]) + step <= limits.max
                down = int(array.flat[index]) - step < limits.min
                yield changed(it, kind, call, role, int(index), step if up or down else -step)


ARRAYS = {"weight": "weights", "bias": "bias", "m15": "mult", "table": "table"}


def changed(it: Subject, kind: str, call: Call, role: str, index: int, step: int) -> Mutation:
    """The Mutation that adds `step` to an element of an array, or to a field of Params."""
    file = f"{it.name}_weights.inc"
    text = (it.out / file).read_text(encoding="utf-8")
    at, old = locate(text, f"{it.name}_{call.name}", role, index, role in call.consts)
    value = -(2**31) if old.startswith("(") else int(old)
    line = text.count("\n", 0, at) + 1
    return Mutation(kind, it.name, file, line, at, old, str(value + step), (call.name, role, index))


def locate(text: str, stem: str, role: str, index: int, is_array: bool) -> tuple[int, str]:
    """Where the literal of a constant stands in a weights file, and its text."""
    head = rf" {stem}_{role}\[\d+\] = {{" if is_array else rf" {stem} = {{[^;]*?\.{role} = (?:{{)?"
    start = re.search(head, text)
    if start is None:
        raise AssertionError(f"{stem} has no {role}")
    found = next(f for i, f in enumerate(LITERAL.finditer(text, start.end())) if i == index)
    return found.start(), found[0]


def read_entries(it: Subject, call: Call) -> set[int]:
    """The entries of a call's table that the samples of verify read."""
    found: set[int] = set()
    batches = it.batches()
    for batch in (next(batches), next(batches)):
        x = simulate.run(it.program, batch)[call.inputs[0]].astype(np.int64)
        found.update(np.unique(x + 128 if call.op == "lut" else x.max(axis=-1, keepdims=True) - x).tolist())
    return found


def unread_entries(it: Subject) -> Iterator[str]:
    for call in it.program.calls:
        if "table" in call.consts:
            numbers = sorted(set(range(256)) - read_entries(it, call))
            starts = [n for n in numbers if n - 1 not in numbers]
            ends = [n for n in numbers if n + 1 not in numbers]
            spans = [str(a) if a == b else f"{a}..{b}" for a, b in zip(starts, ends, strict=True)]
            yield f"{it.name} {call.name}: {len(numbers)} of 256 not read: {', '.join(spans) or 'none'}"


def draw(them: list[Subject], seed: int, count: int) -> list[list[Mutation]]:
    """`count` lists of one kind each, all different: the first of a list that compiles is the mutation."""
    rng = np.random.default_rng(seed)
    kinds = [KINDS[i * 7 % len(KINDS)] for i in range(count)]  # 7 and 25 have no common factor: a mixture
    drawn: dict[str, list[Mutation]] = {}
    for kind in dict.fromkeys(KINDS):
        sites = [site for it in them for site in (kernel_sites(it) if kind == "kernel" else data_sites(it, kind, rng))]
        drawn[kind] = [sites[i] for i in rng.permutation(len(sites))]
    turns = Counter[str]()
    lists = []
    for kind in kinds:
        lists.append(drawn[kind][turns[kind] :: kinds.count(kind)][:40])
        turns[kind] += 1
    return lists


# --- verdicts ---------------------------------------------------------------------------------------------


def run_verify(it: Subject, folder: Path, batch: Batch, flags: tuple[str, ...] = ("-O2",)) -> Verdict | None:
    """What verify says of a folder: a Verdict if it finds a fault."""
    count = len(next(iter(batch.values())))
    try:
        result = verify.verify(folder, it.program, it.target, batch, "gcc", flags)
    except verify.BuildError as error:
        lines = [line for line in error.why.splitlines() if "rror" in line] or error.why.splitlines()
        status = "not compilable" if error.what == "the C does not compile" else "caught"
        return Verdict(status, f"{error.what}: {lines[0][:150]}", samples=count)
    if result.ok:
        return None
    evidence = f"{result.differing_bytes} bytes differ" if result.differing_bytes else "guard bytes changed"
    return Verdict("caught", evidence, result.first_difference, count)


def judge(it: Subject, mutation: Mutation, folder: Path) -> Verdict:
    """Caught by verify, with as many samples as it takes; else why not."""
    batches = it.batches()
    found = run_verify(it, folder, next(batches))
    if found is not None:
        return found
    for flags, told in ((("-O2",), "same machine code"), (FOLDED, "same machine code, Params folded in")):
        if compiled(it, it.out, flags) == compiled(it, folder, flags):
            return Verdict("equivalent", told)
    sanitized = run_verify(it, folder, first(it.real, 2), SANITIZED)
    if sanitized is not None:
        sanitized.evidence = f"sanitizer: {sanitized.evidence}"
        return sanitized
    if twin(it.program, mutation) is not None:
        return judge_data(it, mutation, folder)
    total = 0
    for batch, _ in zip(batches, range(4), strict=False):
        total += len(next(iter(batch.values())))
        found = run_verify(it, folder, batch)
        if found is not None:
            return found
    return explained(it, mutation, folder, total)


def compiled(it: Subject, folder: Path, flags: tuple[str, ...]) -> bytes:
    """The object file of a model; paths are relative, so that only code and data differ."""
    command = ["gcc", "-std=c99", "-w", *flags, "-c", f"{it.name}.c", "-o", "model.o"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "model.o").read_bytes()


REQUANTISATION = ("acc_lshift", "out_rshift", "act_min", "act_max", "out_c", "mult")


def twin(program: Program, mutation: Mutation) -> Call | None:
    """The mutated call in the Program; None for kernels and geometry."""
    if mutation.address is None:
        return None
    name, role, index = mutation.address
    call = next(call for call in program.calls if call.name == name)
    if role in call.consts:
        array = call.consts[role].copy()
        array.flat[index] = int(mutation.new)
        return replace(call, consts={**call.consts, role: array})
    if role in (*REQUANTISATION, "zp_in", "out_lshift"):
        return replace(call, params=replace(call.params, **{role: int(mutation.new)}))
    return None


def judge_data(it: Subject, mutation: Mutation, folder: Path) -> Verdict:
    """Search for a sample that shows the change, in NumPy; the C must then show it too."""
    call, total = twin(it.program, mutation), 0
    assert call is not None
    for batch in it.batches():
        tensors = simulate.run(it.program, batch)
        wrong = evaluated(it.program, call, tensors) != tensors[call.output]
        if wrong.any():
            sample = int(np.argwhere(wrong)[0, 0])
            found = run_verify(it, folder, {k: v[sample : sample + 1] for k, v in batch.items()})
            if found is None:
                return Verdict("survived", f"sample {total + sample} must show it, and verify sees nothing")
            found.samples = total + sample + 1
            return found
        total += len(wrong)
    if same_for_all(it.program, call, mutation):
        return Verdict("equivalent", "the same output for every accumulator that can occur")
    return alone(it, mutation, call, total)


def evaluated(program: Program, call: Call, tensors: Batch) -> Int8:
    shape = program.tensors[call.output].shape
    return ops.get(call.op).evaluate(call, [tensors[name] for name in call.inputs], shape)


def same_for_all(program: Program, call: Call, mutation: Mutation) -> bool:
    """Do requantisations agree on all accumulators within the proved bounds?"""
    assert mutation.address is not None
    _, role, index = mutation.address
    bounds = check.accumulator_bounds(program, call)
    if role not in REQUANTISATION or bounds is None:
        return False
    original = next(c for c in program.calls if c.name == call.name)
    count = np.size(original.consts.get("mult", 0))
    which = [index] if role in call.consts else range(count)
    bounds = np.broadcast_to(bounds, count)
    return all(
        np.array_equal(requantised(original, i, int(bounds[i])), requantised(call, i, int(bounds[i]))) for i in which
    )


def requantised(call: Call, index: int, bound: int) -> Int8:
    p, acc = call.params, np.arange(-bound, bound + 1, dtype=np.int64)
    mult = int(call.consts["mult"][index]) if "mult" in call.consts else p.mult
    return requantise(acc, mult, Shifts(p.acc_lshift, p.out_rshift), p.out_c, p.act_min, p.act_max)


def alone(it: Subject, mutation: Mutation, call: Call, total: int) -> Verdict:
    """The call as a network of its own, with any input: the C of its kernel must then show the change."""
    assert mutation.address is not None
    program = single(it.program, call.name)
    build = pipeline.back_end(program, None, (), it.target, pipeline.ignore)
    rng = np.random.default_rng(21)
    name, role, index = mutation.address
    with tempfile.TemporaryDirectory(prefix="alone-") as work:
        part = Subject(it.name, build.write(Path(work) / "out"), program, it.target, {})
        step = int(mutation.new) - int(mutation.old)
        changed(part, mutation.kind, program.calls[0], role, index, step).apply(part.out)
        for count in range(1, BATCHES + 1):
            batch = {port.tensor: free(program, port.tensor, rng) for port in program.inputs}
            if call.op == "softmax":
                batch = {n: reading(x, index) for n, x in batch.items()}
            tensors = simulate.run(program, batch)
            wrong = evaluated(program, call, tensors) != tensors[call.output]
            if wrong.any():
                sample = int(np.argwhere(wrong)[0, 0])
                found = run_verify(part, part.out, {k: v[sample : sample + 1] for k, v in batch.items()})
                if found is None:
                    return Verdict("survived", "must show on the call alone, and verify sees nothing")
                said = f"on {total} samples no output changes; {name} alone: {found.evidence}"
                return Verdict("hidden", said, found.difference, total)
    return Verdict("survived", f"on {total} samples and {count * BATCH} of the call alone no output changes")


def single(program: Program, name: str) -> Program:
    """One call with its tensors."""
    call = next(c for c in program.calls if c.name == name)
    ports = {n: Port(n, n, (1, *program.tensors[n].shape)) for n in (*call.inputs, call.output)}
    tensors = {n: program.tensors[n] for n in ports}
    inputs = tuple(ports[n] for n in call.inputs)
    return Program(program.name, inputs, (ports[call.output],), tensors, (call,))


def free(program: Program, tensor: str, rng: np.random.Generator) -> Int8:
    """Noise of many widths round many centres."""
    shape = program.tensors[tensor].shape
    count = max(BATCH, 2**20 // program.tensors[tensor].size)
    spread = (count, 1, 1, 1)
    noise = rng.normal(0, 1, (count, *shape)) * 2.0 ** rng.uniform(0, 8, spread) + rng.uniform(-128, 127, spread)
    return np.clip(np.rint(noise), -128, 127).astype(np.int8)


def reading(x: Int8, entry: int) -> Int8:
    """Inputs of softmax changed so that the first two channels read an entry of the table."""
    top = np.maximum(x.max(axis=-1), entry - 128).astype(np.int64)
    x = np.minimum(x, top[..., None]).astype(np.int8)
    x[..., 0], x[..., 1] = top, top - entry
    return x


OBSERVER = """#include <stdint.h>
#include <stdio.h>
static uint64_t seen = 1469598103934665603u, count;
static void observe(int64_t value) { seen = (seen ^ (uint64_t)value) * 1099511628211u, count++; }
#define E8_TRACE(call, row, ptr, n) for (int i_ = 0; i_ < (int)(n); i_++) observe((ptr)[i_])
#include "NAME.c"
static NAME_context net;
int main(void)
{
    while (fread(NAME_input(&net), 1, NAME_INPUT_SIZE, stdin) == NAME_INPUT_SIZE)
        NAME_run(&net);
    printf("%llx %llu", (unsigned long long)seen, (unsigned long long)count);
    return 0;
}
"""
OBSERVED = "acc", "mult", "lshift", "c", "rshift", "lo", "hi"
DATA_DECIDES = re.compile(r"e8_(?:math\.h|(?:maxpool|softmax|clamp)_.*)")  # here equal sums are not enough


def explained(it: Subject, mutation: Mutation, folder: Path, total: int) -> Verdict:
    """Where no value decides what is read, equal operands of all requantisations and equal rows for noise mean
    that the same elements meet the same constants in every run."""
    if DATA_DECIDES.fullmatch(mutation.file):
        return Verdict("survived", f"no byte differs on {total} samples")
    samples = next(batch for i, batch in enumerate(it.batches()) if i == 1)
    before, after = (observed(it, out, samples) for out in (it.out, folder))
    if before != after:
        return Verdict("survived", f"no byte differs on {total} samples, but operands do")
    values = int(before.split()[1])
    return Verdict("equivalent", f"{values:,} operands and results equal, {total} samples", samples=total)


def observed(it: Subject, out: Path, samples: Batch) -> str:
    """Hash and number of all operands of requantisation and all rows that a folder's C makes of samples."""
    with tempfile.TemporaryDirectory(prefix="observed-") as work:
        copy = Path(work) / "out"
        shutil.copytree(out, copy)
        header = (copy / "e8_math.h").read_text(encoding="utf-8")
        head, rest = header.split("e8_requantise_s8(e8_s32 acc", 1)
        hooks = "".join(f" observe({name});" for name in OBSERVED)
        body = "e8_requantise_s8(e8_s32 acc" + rest.replace("{", "{" + hooks, 1)
        (copy / "e8_math.h").write_text(head + body, encoding="utf-8")
        (copy / "observer.c").write_text(
            OBSERVER.replace("NAME_INPUT", f"{it.name.upper()}_INPUT").replace("NAME", it.name)
        )
        command = ["gcc", "-std=c99", "-w", "-O2", "observer.c", "-o", "observer"]
        subprocess.run(command, cwd=copy, check=True, capture_output=True)
        memory = b"".join(stored(samples[p.tensor], it.program.tensors[p.tensor]).tobytes() for p in it.program.inputs)
        done = subprocess.run([copy / "observer"], input=memory, check=True, capture_output=True, timeout=600)
        return done.stdout.decode()


# --- the fixed scenario -----------------------------------------------------------------------------------

ROUNDING = (  # file, a rounding constant, another one
    ("e8_math.h", "+ c) >> rshift, lo", "+ c - 1) >> rshift, lo"),
    ("e8_softmax_s8__ref.inc", "sum / 2", "sum / 4"),
)


def rounding(it: Subject, work: Path) -> Iterator[dict[str, Any]]:
    """What the command line says of folders whose runtime rounds differently."""
    for file, right, wrong in ROUNDING:
        if (it.out / file).exists():
            folder = work / f"{it.name}-rounding"
            shutil.copytree(it.out, folder)
            text = (folder / file).read_text(encoding="utf-8")
            assert text.count(right) == 1
            (folder / file).write_text(text.replace(right, wrong), encoding="utf-8")
            command = [sys.executable, "-m", "eightbit.cli", "verify", str(folder), "--json"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            answer = json.loads(done.stdout)
            change = f"{file}: `{right}` -> `{wrong}`"
            yield {"model": it.name, "change": change, "exit": done.returncode, **answer}
            shutil.rmtree(folder)


# --- report -----------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    mutation: Mutation
    verdict: Verdict
    not_compilable: int
    seconds: float

    def line(self, number: int) -> str:
        m, v = self.mutation, self.verdict
        d = v.difference
        place = f"{d.call} row {d.row} element {d.element}: {d.expected} -> {d.got}; " if d else ""
        change = f"{m.old} -> {m.new}"
        return (
            f"{number:>3} {m.model:<10} {m.kind:<6} {m.where:<34} {change:<26} {v.status:<10} "
            f"{v.samples or '':>6} {place}{v.evidence}"
        )


THEM: dict[str, Subject] = {}  # of a worker process


def take(them: dict[str, Subject]) -> None:
    THEM.update(them)
    verify.TIMEOUT = SECONDS


def work_on(candidates: list[Mutation]) -> Outcome:
    """The first mutation of a list that compiles, and its verdict."""
    start = time.perf_counter()
    for number, mutation in enumerate(candidates):
        it = THEM[mutation.model]
        with tempfile.TemporaryDirectory(prefix="mutation-") as work:
            folder = Path(work) / "out"
            shutil.copytree(it.out, folder)
            mutation.apply(folder)
            verdict = judge(it, mutation, folder)
        if verdict.status != "not compilable":
            return Outcome(mutation, verdict, number, time.perf_counter() - start)
    raise AssertionError("no mutation of the list compiles")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--models", type=Path, default=os.environ.get("EIGHTBIT_MODELS"))
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="mutations-") as work:
        them = {it.name: it for it in subjects(options.models, Path(work))}
        for it in them.values():
            for flags in (("-O2",), SANITIZED):
                fault = run_verify(it, it.out, next(it.batches()), flags)
                if fault is not None:
                    raise SystemExit(f"{it.name} without any mutation: {fault}")
        scenario = [line for it in them.values() for line in rounding(it, Path(work))]
        lists = draw(list(them.values()), options.seed, options.count)
        with ProcessPoolExecutor(2, initializer=take, initargs=(them,)) as pool:
            outcomes = list(pool.map(work_on, lists))
        unread = [line for it in them.values() for line in unread_entries(it)]
    status = report(options.seed, scenario, outcomes, unread)
    if options.json:
        document = {
            "seed": options.seed,
            "rounding": scenario,
            "mutations": [asdict(outcome) for outcome in outcomes],
            "unread_entries": unread,
        }
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    return status


def report(seed: int, scenario: list[dict[str, Any]], outcomes: list[Outcome], unread: list[str]) -> int:
    """Print everything; 1 if a fault went unseen."""
    print("one rounding constant of the runtime changed, `eightbit verify --json`:")
    for answer in scenario:
        place = answer.get("first_difference")
        print(f"  {answer['model']}: {answer['change']}: exit {answer['exit']}, {place}")
    print(f"\nmutations of seed {seed}:")
    for number, outcome in enumerate(sorted(outcomes, key=lambda o: o.mutation.kind), start=1):
        print(outcome.line(number))
    print("\ntable entries that no sample reads (not mutated):", *unread, sep="\n  ")
    counts = Counter(outcome.verdict.status for outcome in outcomes)
    redrawn = sum(outcome.not_compilable for outcome in outcomes)
    print(f"\n{dict(counts)}; {redrawn} drawn again because they do not compile")
    missed = [a for a in scenario if a["exit"] != 1 or "first_difference" not in a]
    return 1 if missed or counts["survived"] else 0


if __name__ == "__main__":
    sys.exit(main())
