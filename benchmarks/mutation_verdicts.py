# SPDX-License-Identifier: Apache-2.0
"""Was a mutation caught by running the C, or is it shown to change nothing?"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from mutation_sites import INLINE, MATH, changed
from mutation_subjects import (
    BLENDS,
    FOLDED,
    PLAIN,
    SANITIZED,
    Batch,
    Mutation,
    Subject,
    first,
    free_inputs,
    joined,
    one,
    size,
)

from eightbit import ops, pipeline, simulate
from eightbit.errors import BuildError
from eightbit.execution import verify
from eightbit.execution.compare import Difference
from eightbit.ir.fixed import Int8, Shifts, requantise
from eightbit.ir.program import Call, Port, Program, hull, stored
from eightbit.options import Options


@dataclass(frozen=True)
class Verdict:
    """`status`: caught, caught alone (the call on its own), equivalent, survived; or not compilable."""

    status: str
    evidence: str
    difference: Difference | None = None
    samples: int = 0


def run_verify(it: Subject, folder: Path, batch: Batch, flags: tuple[str, ...] = PLAIN) -> Verdict | None:
    """What verify says of a folder: a Verdict if it finds a fault."""
    try:
        result = verify.verify(folder, it.program, it.target, batch, "gcc", flags)
    except BuildError as error:
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
    build = pipeline.back_end(program, None, (), Options(it.target.name), pipeline.ignore)
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
            if mutation.file in MATH or re.match(rf"e8_{call.op}_(\w+_)?s8__", mutation.file):
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
    return mutation.file in MATH or (
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
    """A function of the arithmetic that tells the observer its arguments first."""
    head, brace, body = function[0].partition("{")
    names = re.findall(r"(\w+)\s*[,)]", head)
    return head + brace + "".join(f" observe({name});" for name in names) + body


def observed(it: Subject, out: Path, batch: Batch) -> str:
    """Hashes of all bytes of memory after each call and of all operands of the arithmetic, and how many they are."""
    with tempfile.TemporaryDirectory(prefix="observed-") as work:
        copy = Path(work) / "out"
        shutil.copytree(out, copy)
        for name in MATH:
            math = (copy / name).read_text(encoding="utf-8")
            (copy / name).write_text(INLINE.sub(hooked, math), encoding="utf-8")
        driver = OBSERVER.replace("NAME", it.name).replace("MACRO", it.name.upper())
        (copy / "observer.c").write_text(driver, encoding="utf-8")
        command = ["gcc", "-std=c99", "-w", "-O2", "observer.c", "-o", "observer"]
        subprocess.run(command, cwd=copy, check=True, capture_output=True)
        (port,) = it.program.inputs
        memory = stored(batch[port.tensor], it.program.tensors[port.tensor]).tobytes()
        done = subprocess.run([copy / "observer"], input=memory, check=False, capture_output=True)
        return done.stdout.decode() or f"exit status {done.returncode}"
