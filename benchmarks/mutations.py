# SPDX-License-Identifier: Apache-2.0
"""Does `verify` see faults? Mutates emitted C by seed, runs verify on each copy, and explains what it does not see.

`python benchmarks/mutations.py --seed 1 --count 50 [--models DIR] [--json FILE]`; without models (also
EIGHTBIT_MODELS) only the built-in graph. Exit status 1 if a fault survives that is not shown to be none.
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
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import eightbit
from eightbit import emit, ops, pipeline, samples, simulate, verify
from eightbit.cfields import c_fields
from eightbit.fixed import Int8, Shifts, requantise
from eightbit.program import Call, Port, Program, hull, stored
from eightbit.target import Target

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from models import model, node

MODELS = {  # name: (file, set of samples)
    "digits_cnn": ("digits/digits_cnn.ts.onnx", "digits"),
    "digits_mlp": ("digits/digits_mlp.ts.onnx", "digits"),
    "kws": ("mlperf_tiny/kws/kws_float_from_keras.onnx", "kws"),
}
SHARE = {"kernel": 12, "weight": 2, "bias": 2, "params": 2, "m15": 3, "table": 4}  # of 25
ROLES = {"weight": "weights", "bias": "bias", "m15": "mult", "table": "table"}
STEPS = {"m15": 1 << 16, "table": 8}  # other constants change by 1
CALIBRATION, EVALUATION = 100, 200
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
        seeded = [emit.seeded_inputs(self.program, number) for number in range(SEEDED)]
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


@dataclass(frozen=True)
class Verdict:
    """`status`: caught, caught alone (the call on its own), equivalent, survived; or not compilable."""

    status: str
    evidence: str
    difference: verify.Difference | None = None
    samples: int = 0


# ---- the builds that are mutated ----


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


# ---- samples ----


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


# ---- what can be mutated ----

# Comments and preprocessor lines.
IGNORED = re.compile(r"/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"^E8_INLINE [^(;]*?(\w+)\([^{]*\{.*?^\}", re.DOTALL | re.MULTILINE)
OPERATORS = {
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "<": "<= >", "<=": "<", ">": ">= <", ">=": ">", "==": "!=",
    "!=": "==", "&&": "||", "||": "&&", "<<": ">>", ">>": "<<", "+=": "-=", "-=": "+=",
}  # fmt: skip
TWINS = (
    "stride_y stride_x", "dil_y dil_x", "pad_top pad_left", "kh kw", "in_h in_w", "in_ch out_ch", "ky kx", "in out",
    "row pixel", "pixel plane", "act_min act_max", "acc_lshift out_rshift", "count_y0 count_y1", "count_x0 count_x1",
    "first n", "low high", "lo hi", "top left", "t u", "x c", "extent stride", "y n",
)  # fmt: skip
SWAPS = {a: b for pair in TWINS for a, b in (pair.split(), reversed(pair.split()))}
TOKENS: tuple[tuple[str, Callable[[str], list[str]]], ...] = (
    (rf"(?<=[\w)\]] )(?:{'|'.join(map(re.escape, OPERATORS))})(?= )", lambda token: OPERATORS[token].split()),
    (r"\+\+|--", lambda token: ["--" if token == "++" else "++"]),
    (r"(?<![\w.])\d+(?![\w.])", lambda token: [str(n) for n in (int(token) - 1, int(token) + 1) if n >= 0]),
    (rf"\b(?:{'|'.join(SWAPS)})\b", lambda token: [SWAPS[token]]),
)
LITERAL = re.compile(r"-?\d+|\(-2147483647 - 1\)")


def kernel_sites(it: Subject) -> Iterator[Mutation]:
    """Every wrong neighbour of every token of the kernels, e8_math.h and e8_rows.h."""
    paths = sorted([*it.out.glob("e8_*.inc"), it.out / "e8_math.h", it.out / "e8_rows.h"])
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    together = "".join(texts.values())
    for path, text in texts.items():
        code = IGNORED.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        for function in INLINE.finditer(code):
            if together.count(f"{function[1]}(") == 1:  # nothing calls it
                code = code.replace(function[0], re.sub(r"[^\n]", " ", function[0]))
        for pattern, wrong in TOKENS:
            for found in re.finditer(pattern, code):
                line = text.count("\n", 0, found.start()) + 1
                for new in wrong(found[0]):
                    yield Mutation("kernel", it.name, path.name, line, found.start(), found[0], new)


def constant_sites(it: Subject, kind: str, rng: np.random.Generator) -> Iterator[Mutation]:
    """Every field of every Params, or 12 elements of each array of a kind; of tables, entries that are read."""
    for call in it.program.calls:
        role = ROLES.get(kind, "")
        if kind == "params" and ops.get(call.op).has_code:
            for name, _, length in c_fields(type(call.params)):
                for index in range(length or 1):
                    yield changed(it, kind, call, name, index, int(rng.choice((-1, 1))))
        elif role in call.consts and (kind != "m15" or "bias" in call.consts):  # pools have 31-bit multipliers
            array, step = call.consts[role], STEPS.get(kind, 1)
            limits, choice = np.iinfo(array.dtype), read_entries(it, call) if kind == "table" else range(array.size)
            for index in map(int, rng.permutation(sorted(choice))[:12]):
                value, sign = int(array.flat[index]), int(rng.choice((-1, 1)))
                if not limits.min <= value + sign * step <= limits.max:
                    sign = -sign
                yield changed(it, kind, call, role, index, sign * step)


def changed(it: Subject, kind: str, call: Call, role: str, index: int, step: int) -> Mutation:
    """The Mutation that adds `step` to an element of an array, or to a field of Params."""
    file, stem = f"{it.name}_weights.inc", f"{it.name}_{call.name}"
    text = (it.out / file).read_text(encoding="utf-8")
    is_array = role in call.consts
    start = re.search(rf" {stem}_{role}\[\d+\] = {{" if is_array else rf" {stem} = {{[^;]*?\.{role} = {{?", text)
    if start is None:
        raise ValueError(f"{stem} has no {role}")
    found = next(f for number, f in enumerate(LITERAL.finditer(text, start.end())) if number == index)
    value = -(2**31) if found[0].startswith("(") else int(found[0])
    line = text.count("\n", 0, found.start()) + 1
    address = call.name, role, index
    return Mutation(kind, it.name, file, line, found.start(), found[0], str(value + step), address)


def read_entries(it: Subject, call: Call) -> set[int]:
    """The entries of a call's table that the samples of the larger run read."""
    batches = it.batches()
    next(batches)
    x = simulate.run(it.program, next(batches))[call.inputs[0]].astype(np.int64)
    return set(np.unique(x + 128 if call.op == "lut" else x.max(axis=-1, keepdims=True) - x).tolist())


def unread_entries(it: Subject) -> Iterator[str]:
    for call in it.program.calls:
        if "table" in call.consts:
            numbers = sorted(set(range(256)) - read_entries(it, call))
            starts, ends = ([n for n in numbers if n + step not in numbers] for step in (-1, 1))
            spans = [str(a) if a == b else f"{a}..{b}" for a, b in zip(starts, ends, strict=True)]
            yield f"{it.name} {call.name}: {len(numbers)} of 256: {', '.join(spans) or 'none'}"


def draw(them: list[Subject], seed: int, count: int) -> list[list[Mutation]]:
    """`count` lists of one kind each, no mutation twice: the first of a list that compiles counts."""
    rng = np.random.default_rng(seed)
    turns = [kind for kind, share in SHARE.items() for _ in range(share)]
    kinds = [turns[i * 7 % len(turns)] for i in range(count)]  # 7: shares hold for small counts too, roughly
    lists = []
    for kind in SHARE:
        sites = [
            site for it in them for site in (kernel_sites(it) if kind == "kernel" else constant_sites(it, kind, rng))
        ]
        drawn = [sites[i] for i in rng.permutation(len(sites))]
        lists += [drawn[i :: kinds.count(kind)][:40] for i in range(kinds.count(kind))]
    return lists


# ---- verdicts ----


def run_verify(it: Subject, folder: Path, batch: Batch, flags: tuple[str, ...] = PLAIN) -> Verdict | None:
    """What verify says of a folder: a Verdict if it finds a fault."""
    try:
        result = verify.verify(folder, it.program, it.target, batch, "gcc", flags)
    except verify.BuildError as error:
        lines = error.why.splitlines()
        line = next((line for line in lines if "rror" in line), lines[0])
        status = "not compilable" if error.what == "the C does not compile" else "caught"
        return Verdict(status, f"{error.what}: {line[:120]}", samples=size(batch))
    if result.ok:
        return None
    evidence = f"{result.differing_bytes} bytes differ" if result.differing_bytes else "guard bytes changed"
    return Verdict("caught", evidence, result.first_difference, size(batch))


def judge(it: Subject, mutation: Mutation, folder: Path) -> Verdict:
    """Caught by verify, with as many samples as it takes; else why not."""
    found = run_verify(it, folder, next(it.batches()))
    if found is not None:
        return found
    reason = same_code(it, mutation, folder)
    if reason:
        return Verdict("equivalent", reason)
    found = run_verify(it, folder, first(it.real, 2), SANITIZED)
    if found is not None:
        return replace(found, evidence=f"sanitizer: {found.evidence}")
    call = twin(it, mutation)
    if call is not None:
        return judge_constant(it, mutation, call, folder)
    total = 0
    for batch, _ in zip(it.batches(), range(3), strict=False):
        total += size(batch)
        found = run_verify(it, folder, batch)
        if found is not None:
            return replace(found, samples=total)
    return explained(it, mutation, folder, total)


def same_code(it: Subject, mutation: Mutation, folder: Path) -> str:
    """Why the mutated text means the same; "" if it may not."""
    if only_ties(mutation, it.out):
        return "the comparison differs only where both choices are the same value"
    if (mutation.file, mutation.old, mutation.new) == ("e8_math.h", "<<", ">>") and not any(
        getattr(call.params, "acc_lshift", 0) for call in it.program.calls
    ):
        return "every acc_lshift of the network is 0"
    for flags, told in ((PLAIN, "same machine code"), (FOLDED, "same machine code once Params are folded in")):
        if machine_code(it, it.out, flags) == machine_code(it, folder, flags):
            return told
    return ""


def only_ties(mutation: Mutation, out: Path) -> bool:
    """Is it `<` for `<=` in `a < b ? a : b`, or in `if (a < b) b = a;`?"""
    if {mutation.old, mutation.new} not in ({"<", "<="}, {">", ">="}):
        return False
    text = (out / mutation.file).read_text(encoding="utf-8")
    left = re.search(r"[(=:] ?([^()=:?;]+) $", text[: mutation.at])
    clamp = r"(?:v > hi \? hi : )?"  # lo <= hi
    choice = rf" ([^()?;]+?)(?: \? (.+?) : {clamp}([^:]+?)[);]|\)\s+(.+?) = (.+?);)"
    right = re.match(choice, text[mutation.at + len(mutation.old) :])
    return bool(left and right and {left[1], right[1]} == set(right.groups()[1:]) - {None})


def machine_code(it: Subject, folder: Path, flags: tuple[str, ...]) -> bytes:
    """The object file of a model; paths are relative, so that it holds nothing but code, data and names."""
    command = ["gcc", "-std=c99", "-w", *flags, "-c", f"{it.name}.c", "-o", "model.o"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return (folder / "model.o").read_bytes()


SIZES = re.compile(r"(?:in|out)_(?:h|w|ch|n)|w|ch|groups|kh|kw|(?:dil|pad|count)\w+|stride\w*|extent")
REQUANTISATION = ("acc_lshift", "out_rshift", "act_min", "act_max", "out_c", "mult")


def twin(it: Subject, mutation: Mutation) -> Call | None:
    """The call with the mutated constant, in NumPy; None for kernels, and for Params that are sizes."""
    if mutation.address is None:
        return None
    name, role, index = mutation.address
    call = it.call(name)
    if role in call.consts:
        array = call.consts[role].copy()
        array.flat[index] = int(mutation.new)
        return replace(call, consts={**call.consts, role: array})
    if SIZES.fullmatch(role):
        return None
    return replace(call, params=replace(call.params, **{role: int(mutation.new)}))


def judge_constant(it: Subject, mutation: Mutation, call: Call, folder: Path) -> Verdict:
    """Search in NumPy for a sample that shows the change; with it verify must see the change in C."""
    total = 0
    for batch in it.batches():
        sample = showing(it.program, call, batch)
        if sample is not None:
            found = run_verify(it, folder, one(batch, sample))
            missed = Verdict("survived", f"sample {total + sample} shows it, and verify sees nothing")
            return missed if found is None else replace(found, samples=total + sample + 1)
        total += size(batch)
    if same_for_all(it, mutation, call):
        return Verdict("equivalent", "the same result for every accumulator that can occur")
    return constant_alone(it, mutation, call, total)


def showing(program: Program, call: Call, batch: Batch) -> int | None:
    """The first sample for which the changed call gives something else than the Program's own."""
    tensors = simulate.run(program, batch)
    inputs, want = [tensors[name] for name in call.inputs], tensors[call.output]
    wrong = np.argwhere(ops.get(call.op).evaluate(call, inputs, want.shape[1:]) != want)
    return int(wrong[0, 0]) if len(wrong) else None


def same_for_all(it: Subject, mutation: Mutation, call: Call) -> bool:
    """Do both requantisations agree on every accumulator within the proved bounds?"""
    original = it.call(call.name)
    if call.op == "add":  # element by element: there are no more than all pairs
        a, b = (x.reshape(1, 256, 256, 1) for x in np.meshgrid(*[np.arange(-128, 128, dtype=np.int8)] * 2))
        before, after = (ops.get("add").evaluate(c, [a, b], (256, 256, 1)) for c in (original, call))
        return np.array_equal(before, after)
    proved = original.proof.acc if original.proof else None
    if mutation.address is None or mutation.address[1] not in REQUANTISATION or proved is None:
        return False
    mults = np.atleast_1d(call.consts.get("mult", getattr(call.params, "mult", 0)))
    reached = proved if len(proved) == mults.size else (hull(proved),) * mults.size
    which = [mutation.address[2]] if mutation.address[1] in call.consts else list(range(len(mults)))
    return all(np.array_equal(requantised(original, i, *reached[i]), requantised(call, i, *reached[i])) for i in which)


def requantised(call: Call, index: int, low: int, high: int) -> Int8:
    """Every accumulator of low .. high as channel (or window size) `index` requantises it."""
    p = call.params
    mult = int(np.atleast_1d(call.consts.get("mult", getattr(p, "mult", 0)))[index])
    acc = np.arange(low, high + 1, dtype=np.int64)
    return requantise(acc, mult, Shifts(p.acc_lshift, p.out_rshift), p.out_c, p.act_min, p.act_max)


def alone(it: Subject, call: Call, work: Path) -> Subject:
    """A call as a network of its own, which can have any input."""
    ports = [Port(n, n, (1, *it.program.tensors[n].shape)) for n in (*call.inputs, call.output)]
    tensors = {port.tensor: it.program.tensors[port.tensor] for port in ports}
    program = Program(it.program.name, tuple(ports[:-1]), (ports[-1],), tensors, (call,))
    build = pipeline.back_end(program, None, (), it.target, pipeline.ignore)
    return Subject(it.name, build.write(work / call.name), program, it.target, {})


def constant_alone(it: Subject, mutation: Mutation, call: Call, total: int) -> Verdict:
    """The same change in the call alone; a sample is searched in NumPy, and verify must see it in C."""
    name, role, index = mutation.address or ("", "", 0)
    rng = np.random.default_rng(21)
    with tempfile.TemporaryDirectory(prefix="alone-") as work:
        part = alone(it, it.call(name), Path(work))
        step = int(mutation.new) - int(mutation.old)
        changed(part, mutation.kind, it.call(name), role, index, step).apply(part.out)
        for _ in range(BLENDS):
            batch = free_inputs(call, it.program, index, rng)
            sample = showing(part.program, call, batch)
            if sample is not None:
                found = run_verify(part, part.out, one(batch, sample))
                if found is None:
                    return Verdict("survived", f"{name} alone shows it, and verify sees nothing")
                return on_its_own(found, name, total)
    return Verdict("survived", f"the same bytes on {total} samples, and on {BLENDS * size(batch)} of {name} alone")


def kernel_alone(it: Subject, mutation: Mutation, folder: Path, total: int) -> Verdict:
    """Each call that the changed file may take part in, alone with noise and the changed file."""
    rng = np.random.default_rng(22)
    with tempfile.TemporaryDirectory(prefix="alone-") as work:
        for call in it.program.calls:
            if mutation.file in ("e8_math.h", f"e8_{call.op}_s8__ref.inc"):
                part = alone(it, call, Path(work))
                shutil.copyfile(folder / mutation.file, part.out / mutation.file)
                parts = [free_inputs(call, it.program, int(rng.integers(256)), rng) for _ in range(16)]
                found = run_verify(part, part.out, joined([first(batch, 128) for batch in parts]))
                if found is not None:
                    return on_its_own(found, call.name, total)
    return Verdict("survived", f"the same bytes on {total} samples, and on 2048 of each call alone")


def on_its_own(found: Verdict, name: str, total: int) -> Verdict:
    evidence = f"the network gives the same bytes on {total} samples; {name} alone: {found.evidence}"
    return replace(found, status="caught alone", evidence=evidence, samples=total)


OBSERVER = """#include <stdint.h>
#include <stdio.h>
static uint64_t held = 1469598103934665603u, seen = 1469598103934665603u, count;
static void hash(uint64_t *to, int64_t value) { *to = (*to ^ (uint64_t)value) * 1099511628211u, count++; }
static void observe(int64_t value) { hash(&seen, value); }
#define E8_TRACE(call, row, ptr, n) memory(row)
static void memory(int row);
#include "NAME.c"
static NAME_context net;
static void memory(int row)
{
    for (int i = 0; row == 0 && i < MACRO_CONTEXT_BYTES; i++)
        hash(&held, net.arena.s8[i]);
}
int main(void)
{
    while (fread(NAME_input(&net), 1, MACRO_INPUT_SIZE, stdin) == MACRO_INPUT_SIZE)
        NAME_run(&net);
    printf("%llx %llx %llu", (unsigned long long)held, (unsigned long long)seen, (unsigned long long)count);
    return 0;
}
"""


def value_decides(mutation: Mutation, out: Path) -> bool:
    """Does the mutated function do one thing or another with the values it reads, as maximum and clamp do?"""
    kernel = (out / mutation.file).read_text(encoding="utf-8").find("\nE8_KERNEL")
    return mutation.file == "e8_math.h" or (
        mutation.at < kernel and re.match("e8_(?:maxpool|softmax)_", mutation.file) is not None
    )


def explained(it: Subject, mutation: Mutation, folder: Path, total: int) -> Verdict:
    """Where values decide nothing, noise that gives the same operands of all arithmetic, and the same memory after
    every call, means that every run combines the same elements with the same constants."""
    if value_decides(mutation, it.out):
        return kernel_alone(it, mutation, folder, total)
    batches = it.batches()
    next(batches)
    batch = next(batches)
    before, after = (observed(it, out, batch) for out in (it.out, folder))
    if before == after:
        evidence = f"the same {int(before.split()[2]):,} operands and bytes of memory on {size(batch)} samples"
        return Verdict("equivalent", evidence, samples=total)
    line = (it.out / mutation.file).read_text(encoding="utf-8").splitlines()[mutation.line - 1]
    if before.split()[0] == after.split()[0] and "y < end;" in line and mutation.new == "<=":
        return Verdict("equivalent", "row 0 is made a second time, from the same input", samples=total)
    return Verdict("survived", f"the same bytes on {total} samples, but other operands, or writes elsewhere")


def hooked(function: re.Match[str]) -> str:
    """A function of e8_math.h that tells the observer its arguments first."""
    head, brace, body = function[0].partition("{")
    names = re.findall(r"(\w+)\s*[,)]", head)
    return head + brace + "".join(f" observe({name});" for name in names) + body


def observed(it: Subject, out: Path, batch: Batch) -> str:
    """Hashes of all bytes of memory after each call and of all operands of e8_math.h, and how many they are."""
    with tempfile.TemporaryDirectory(prefix="observed-") as work:
        copy = Path(work) / "out"
        shutil.copytree(out, copy)
        math = (copy / "e8_math.h").read_text(encoding="utf-8")
        (copy / "e8_math.h").write_text(INLINE.sub(hooked, math), encoding="utf-8")
        driver = OBSERVER.replace("NAME", it.name).replace("MACRO", it.name.upper())
        (copy / "observer.c").write_text(driver, encoding="utf-8")
        command = ["gcc", "-std=c99", "-w", "-O2", "observer.c", "-o", "observer"]
        subprocess.run(command, cwd=copy, check=True, capture_output=True)
        (port,) = it.program.inputs
        memory = stored(batch[port.tensor], it.program.tensors[port.tensor]).tobytes()
        done = subprocess.run([copy / "observer"], input=memory, check=False, capture_output=True)
        return done.stdout.decode() or f"exit status {done.returncode}"


# ---- the fixed scenario, the table ----

ROUNDING = (  # file, a rounding, another one
    ("e8_math.h", "+ c) >> rshift, lo", "+ c - 1) >> rshift, lo"),
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
            command = [sys.executable, "-m", "eightbit.cli", "verify", str(folder), "--json"]
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
    verify.TIMEOUT = SECONDS


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
