# SPDX-License-Identifier: Apache-2.0
"""Where emitted C can be mutated: tokens of kernels, constants of calls; and a draw of them by seed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from mutation_subjects import ROLES, SHARE, STEPS, Mutation, Subject

from eightbit import ops, simulate
from eightbit.ir.cfields import c_fields
from eightbit.ir.program import Call
from eightbit.planning.select import select

# Comments and preprocessor lines.
IGNORED = re.compile(r"/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.DOTALL | re.MULTILINE)
MATH = ("e8_math.h", "e8_mulhi.h")
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
    """Every wrong neighbour of every token of the kernels, the arithmetic and e8_rows.h."""
    paths = sorted([*it.out.glob("e8_*.inc"), *(it.out / name for name in MATH), it.out / "e8_rows.h"])
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
    place = stored_at(it, call, role, index) if is_array else index
    if start is None:
        raise ValueError(f"{stem} has no {role}")
    found = next(f for number, f in enumerate(LITERAL.finditer(text, start.end())) if number == place)
    value = -(2**31) if found[0].startswith("(") else int(found[0])
    line = text.count("\n", 0, found.start()) + 1
    address = call.name, role, index
    return Mutation(kind, it.name, file, line, found.start(), found[0], str(value + step), address)


def stored_at(it: Subject, call: Call, role: str, index: int) -> int:
    """Where the C has element `index` of an array: kernels store constants in an order of their own."""
    numbers = np.arange(1, call.consts[role].size + 1).reshape(call.consts[role].shape)
    kernel = select(it.program, it.target).kernels[call.name]
    packed = kernel.pack(replace(call, consts={**call.consts, role: numbers}))
    return int(np.flatnonzero(packed[role].ravel() == index + 1)[0])


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
