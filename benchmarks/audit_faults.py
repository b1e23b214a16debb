# SPDX-License-Identifier: Apache-2.0
"""Faults of a build: one number changed at random in its program, plan or C, or in several of them alike."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from eightbit.audit.kernels import stored
from eightbit.audit.read import read_plan, read_program

EVERYWHERE = "everywhere"  # in the program and in the C alike, as a fault of the compiler itself would have it
SHIFTS = "acc_lshift|out_rshift|sum_rshift|out_lshift"
MULTS = "mult|mult_a|mult_b"
Rng = np.random.Generator
Files = dict[str, bytes]


@dataclass(frozen=True)
class Build:
    """The files of a good build."""

    name: str  # of its C
    folder: Path
    files: Files

    def text(self, file: str) -> str:
        return self.files[file].decode()

    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(io.BytesIO(self.files["program.npz"])) as archive:
            return {name: archive[name] for name in archive.files}


@dataclass(frozen=True)
class Mutation:
    """Changed files, and what was changed in words."""

    what: str
    files: Files


# ---- where numbers stand in text ----


@dataclass(frozen=True)
class Site:
    """Numbers (group `n` of `token`) inside the parts (group 1) of a file that `part` finds."""

    kind: str
    place: str
    file: str
    part: str
    token: str
    base: int = 0  # of a single digit; 0: a whole number


SITES = (
    Site("multiplier", "program.txt", "program.txt", r"^  params (.*)", rf"\b(?:{MULTS})=(?P<n>-?\d+)"),
    Site("multiplier", "program.txt", "program.txt", r"^  weight_scale per channel (.*)", r"(?P<n>\d+)"),
    Site("shift", "program.txt", "program.txt", r"^  params (.*)", rf"\b(?:{SHIFTS})=(?P<n>-?\d+)"),
    Site("bound", "program.txt", "program.txt", r"^  (?:bound|acc|range) (.*)", r"(?P<n>-?\d+)"),
    Site("constant", "program.txt", "program.txt", r"^  params (.*)", rf"\b(?!{MULTS}|{SHIFTS})\w+=(?P<n>-?\d+)"),
    Site("constant", "program.txt", "program.txt", r"^ *tensor (.*)", r"zero_point (?P<n>-?\d+)"),
    Site("constant", "program.txt", "program.txt", r"^ *tensor (.*)", r"scale 0x1\.(?P<n>[0-9a-f])", base=16),
    Site("offset", "plan.txt", "plan.txt", r"^tensor (.*)", r"offset (?P<n>\d+)"),
    Site("offset", "plan.txt", "plan.txt", r"^tensor (.*)", r"(?:size|row|pixel|plane|ring) (?P<n>\d+)"),
    Site("live range", "plan.txt", "plan.txt", r"^tensor (.*)", r"(?:first|last) (?P<n>\d+)"),
    Site("bound", "plan.txt", "plan.txt", r"^(\w+_bytes .*)", r"(?P<n>\d+)"),
    Site("multiplier", "C", "_weights.inc", r"^static const \w+ E8_ROM \w+_mult\[\d+\] = {([^}]*)", r"(?P<n>-?\d+)"),
    Site("multiplier", "C", "_weights.inc", r"^ ( *\..*)", rf"\.(?:{MULTS}) = (?P<n>-?\d+)"),
    Site("shift", "C", "_weights.inc", r"^ ( *\..*)", rf"\.(?:{SHIFTS}) = (?P<n>-?\d+)"),
    Site("constant", "C", "_weights.inc", r"^ ( *\..*)", rf"\.(?!{MULTS}|{SHIFTS})\w+ = (?P<n>-?\d+)"),
    Site("constant", "C", "_weights.inc", r"^static const \w+ E8_ROM \w+\[\d+\] = {([^}]*)", r"(?P<n>-?\d+)"),
    Site("constant", "C", ".h", r"^#define (\w+_(?:ZERO_POINT|SIZE|SHAPE) .*)", r"(?P<n>(?<= |\()-?\d+)"),
    # The last decimals of a scale may say the same float32.
    Site("constant", "C", ".h", r"^#define (\w+_SCALE .*)", r"(?P<n>\d)(?=\d{4}\d*(?:e[-+]?\d+)?f)", base=10),
    Site("bound", "C", "_weights.inc", r"^E8_STATIC_ASSERT\((.*),", r"(?P<n>\d+)"),
    Site("bound", "C", ".h", r"^#define (\w+_BYTES .*)", r" (?P<n>\d+)"),
    Site("offset", "C", ".c", r"^( .*)", r"arena(?:\.s8)? \+ (?P<n>\d+)"),
    Site("offset", "C", ".c", r"^ *const e8_(rows .*)", r", (?P<n>\d+)"),
    Site("offset", "C", ".c", r"^E8_STATIC_ASSERT\((.*)", r"^(?P<n>\d+)"),
)


def in_text(build: Build, site: Site, rng: Rng) -> Mutation | None:
    """Another number at one place of a site."""
    file = f"{build.name}{site.file}" if site.place == "C" else site.file
    text = build.text(file)
    parts = [part for part in re.finditer(site.part, text, re.MULTILINE) if re.search(site.token, part[1])]
    if not parts:
        return None
    part = parts[rng.integers(len(parts))]
    tokens = list(re.finditer(site.token, part[1]))
    token = tokens[rng.integers(len(tokens))]
    start, end = part.start(1) + token.start("n"), part.start(1) + token.end("n")
    old = text[start:end]
    if site.base:
        new = f"{(int(old, site.base) + int(rng.integers(1, site.base))) % site.base:x}"
    else:
        new = str(other(int(old), rng, (-(2**62), 2**62)))
    line = text.count("\n", 0, start) + 1
    return Mutation(f"{file}:{line} {old} -> {new}", {file: replaced(text, start, end, new)})


def replaced(text: str, start: int, end: int, new: str) -> bytes:
    return (text[:start] + new + text[end:]).encode()


def other(old: int, rng: Rng, limits: tuple[int, int]) -> int:
    """Near, far, doubled, halved, negated, or one bit flipped; never the same."""
    near = (old + 1, old - 1, old + 8, old - 8, -old, 2 * old, old // 2, old ^ (1 << int(rng.integers(16))))
    fit = [value for value in near if value != old and limits[0] <= value <= limits[1]]
    return int(rng.choice(fit))


# ---- constants in program.npz, and faults that are in the program and in the C alike ----


def in_arrays(build: Build, kind: str, rng: Rng, alike: bool) -> Mutation | None:
    arrays = build.arrays()
    keys = [key for key in arrays if key.endswith(".mult") == (kind == "multiplier") and not key.endswith(".counts")]
    if not keys:
        return None
    key = str(rng.choice(keys))
    array, limits = arrays[key].copy(), np.iinfo(arrays[key].dtype)
    at = int(rng.integers(array.size))
    old = int(array.flat[at])
    new = array.flat[at] = other(old, rng, (limits.min, limits.max))
    files = {"program.npz": archive_of(arrays | {key: array})}
    if alike:
        files |= in_c_array(build, key, at, int(new))
    return Mutation(f"{key}[{at}] {old} -> {new}", files)


def archive_of(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def in_c_array(build: Build, key: str, at: int, new: int) -> Files:
    file, name = f"{build.name}_weights.inc", f"{build.name}_{key.replace('.', '_')}"
    text = build.text(file)
    start = re.search(rf" {name}\[\d+\] = {{", text)
    if start is None:
        raise ValueError(f"{file} has no {name}")
    body = text[start.end() : text.index("}", start.end())]
    found = list(re.finditer(r"\(-2147483647 - 1\)|-?\d+", body))[stored_at(build, key, at)]
    return {file: replaced(text, start.end() + found.start(), start.end() + found.end(), str(new))}


def stored_at(build: Build, key: str, at: int) -> int:
    """Where the C has element `at` of an array: kernels store constants in an order of their own."""
    name, _, role = key.partition(".")
    program = read_program(build.text("program.txt"), build.arrays(), "program.txt")
    steps = read_plan(build.text("plan.txt"), "plan.txt").steps
    kernel, call = next(
        (step.kernel, call) for step, call in zip(steps, program.coded, strict=True) if call.name == name
    )
    numbers = np.arange(1, call.consts[role].size + 1).reshape(call.consts[role].shape)
    found = stored(kernel, replace(call, consts={**call.consts, role: numbers}))
    if found is None:
        raise ValueError(f"the order of {kernel} is not known")
    return int(np.flatnonzero(found[role].ravel() == at + 1)[0])


def shift_alike(build: Build, rng: Rng) -> Mutation | None:
    """Another shift with the rounding constant that belongs to it."""
    text, file = build.text("program.txt"), f"{build.name}_weights.inc"
    calls = re.findall(
        r"^call (\w+) =.*\n  tensor .* zero_point (-?\d+) .*\n  params (.*out_rshift=(\d+).*)", text, re.MULTILINE
    )
    if not calls:
        return None
    name, zero_point, params, old = calls[rng.integers(len(calls))]
    new = int(old) + int(rng.choice([1, -1])) if int(old) > 1 else 2
    out_c = (int(zero_point) << new) + (1 << new - 1)
    changed = re.sub(r"out_rshift=\d+", f"out_rshift={new}", re.sub(r"out_c=-?\d+", f"out_c={out_c}", params))
    before, stem, after = build.text(file).partition(f" {build.name}_{name} = {{")
    after = re.sub(r"\.out_rshift = \d+", f".out_rshift = {new}", after, count=1)
    after = re.sub(r"\.out_c = -?\d+", f".out_c = {out_c}", after, count=1)
    files = {"program.txt": text.replace(params, changed, 1).encode(), file: (before + stem + after).encode()}
    return Mutation(f"{name} out_rshift {old} -> {new}", files)


def bound_alike(build: Build, rng: Rng) -> Mutation | None:
    """A looser bound of an accumulator, in the program and in the assertion of the C."""
    text, file = build.text("program.txt"), f"{build.name}_weights.inc"
    asserted = list(re.finditer(r"E8_STATIC_ASSERT\((\d+) <= .*, \w+_acc_fits\)", build.text(file)))
    if not asserted:
        return None
    found = asserted[rng.integers(len(asserted))]
    old, new = int(found[1]), int(found[1]) + int(rng.integers(1, 1000))
    changed = re.sub(rf"\b{old}\b", str(new), text)
    inc = replaced(build.text(file), found.start(1), found.end(1), str(new))
    return Mutation(f"bound {old} -> {new}", {"program.txt": changed.encode(), file: inc})


def offset_alike(build: Build, rng: Rng) -> Mutation | None:
    """A tensor at another offset, in the plan and in the C, where it meets a live one or leaves the arena."""
    text, file = build.text("plan.txt"), f"{build.name}.c"
    pattern = (
        r"^tensor (\w+) offset (\d+) size (\d+) first (\d+) last (\d+) row (\d+) pixel (\d+) plane (\d+) ring (\d+)"
    )
    lines = re.findall(pattern, text, re.MULTILINE)
    name, *numbers = lines[rng.integers(len(lines))]
    offset, size, first, last, row, pixel, plane, ring = map(int, numbers)
    total = int(re.findall(r"^activation_bytes (\d+)", text, re.MULTILINE)[0])
    new = other(offset, rng, (0, total)) if rng.integers(2) else int(rng.integers(total))
    others = [[int(v) for v in line[1:5]] for line in lines if line[0] != name]
    meets = any(o < new + size and new < o + s and f <= last and first <= t for o, s, f, t in others)
    if new == offset or not (meets or new + size > total):
        return None
    view = f"arena + {offset}, {row}, {pixel}, {plane}, {ring} "
    c = build.text(file).replace(view, view.replace(f"+ {offset},", f"+ {new},"))
    plan = text.replace(f"tensor {name} offset {offset} ", f"tensor {name} offset {new} ")
    return Mutation(f"{name} offset {offset} -> {new}", {"plan.txt": plan.encode(), file: c.encode()})


def buffer_instead(build: Build, place: str, rng: Rng) -> Mutation | None:
    """One buffer of the caller for another, where a plan, a view or a pointer names it."""
    file = "plan.txt" if place == "plan.txt" else f"{build.name}.c"
    text = build.text(file)
    names = sorted(set(re.findall(r"ctx->((?:in|out)put\w*)", build.text(f"{build.name}.c"))))
    sites = list(re.finditer(rf"(?:buffer |copy |from |\{{ |->|= )(?P<n>{'|'.join(names) or 'none'})\b", text))
    if not sites:
        return None
    site = sites[rng.integers(len(sites))]
    new = str(rng.choice([name for name in names if name != site["n"]]))
    line = text.count("\n", 0, site.start()) + 1
    changed = replaced(text, site.start("n"), site.end("n"), new)
    return Mutation(f"{file}:{line} {site['n']} -> {new}", {file: changed})


Draw = Callable[[Build, Rng], Mutation | None]


def draws() -> Iterator[tuple[str, str, Draw]]:
    """(kind, place, how to draw one)."""
    for site in SITES:
        yield site.kind, site.place, lambda build, rng, site=site: in_text(build, site, rng)
    for kind in ("multiplier", "constant"):
        yield kind, "program.npz", lambda build, rng, kind=kind: in_arrays(build, kind, rng, False)
        yield kind, EVERYWHERE, lambda build, rng, kind=kind: in_arrays(build, kind, rng, True)
    for place in ("plan.txt", "C"):
        yield "buffer", place, lambda build, rng, place=place: buffer_instead(build, place, rng)
    yield "shift", EVERYWHERE, shift_alike
    yield "bound", EVERYWHERE, bound_alike
    yield "offset", EVERYWHERE, offset_alike
