# SPDX-License-Identifier: Apache-2.0
"""The emitted C, read as far as data goes: arrays, structs, assertions, macros, launches and addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from eightbit.errors import InputError

NOT_C = "build it again: the auditor reads C as eightbit emits it"
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
ARRAY = re.compile(r"static const (\w+) E8_ROM (\w+)\[(\d+)\] = \{([^{}]*)\};")
STRUCT = re.compile(r"static const (\w+) E8_ROM (\w+) = \{((?:[^{}]|\{[^{}]*\})*)\};")
ASSERTION = re.compile(r"E8_STATIC_ASSERT\(((?:[^()]|\([^()]*\))*), (\w+)\);")
MEMBER = re.compile(r"\.(\w+) = (\{[^{}]*\}|[^,{}]+)")
LAUNCH = re.compile(
    r"\{\s*const e8_rows in\[\] = \{(?P<ins>(?:\s*\{[^{}]*\},?)+)\s*\};\s*"
    r"const e8_rows out\[\] = \{(?P<out>\s*\{[^{}]*\})\s*\};\s*"
    r"const e8_call at = \{(?P<at>[^{}]*)\};\s*"
    r"(?P<kernel>\w+)\((?P<params>[^,]*), (?P<weights>[^,]*), &at\);\s*"
    r"(?P<trace>\w+)\((?P<traced>[^;]*)\);\s*\}"
)
ADDRESS = re.compile(r"(\w+)\((?:const )?\w+ \*ctx\)\s*\{\s*return ctx->(?:arena\.s8 \+ (\d+)|(\w+));\s*\}")
NOTE = re.compile(r"/\* (\d+)\. (\w+): [^;]*?(?:, ([\d ]+) MAC)?; ([\w. ]+ -> [\w. ]+)\n")
COPY = re.compile(r"for \(i = 0; i < (\w+)_SIZE; i\+\+\)\s*ctx->(\w+)\[i\] = ctx->(\w+)\[i\];")
ACC_NOTE = re.compile(r"([-\d ]+) <= acc <= ([-\d ]+): (\d+) bits \*/\nE8_STATIC_ASSERT\(.*, (\w+)\);")
VERSION = re.compile(r'^#if E8_RUNTIME_VERSION != (\d+)\n#error "[^"\n]*"\n#endif$', re.MULTILINE)
DEFINE = re.compile(r"^#define (\w+) (.+)$", re.MULTILINE)
LITERAL = re.compile(r"\(-2147483647 - 1\)|-?\d+u?")
PLAIN = re.compile(r"\s*-?\d{1,10}(?:,\s*-?\d{1,10})*\s*")
STRUCT_TYPE = re.compile(r"typedef struct \{([^{}]*)\} (\w+);")
DECLARED = re.compile(r"(?:const )?(\w+)(?: E8_ROM)? ([^;]+);")
TYPES = {
    "e8_s8": (-(2**7), 2**7 - 1), "e8_s16": (-(2**15), 2**15 - 1), "e8_s32": (-(2**31), 2**31 - 1),
    "e8_u32": (0, 2**32 - 1),
}  # fmt: skip


View = tuple[str | int, ...]  # arena or a buffer, offset, row, pixel, plane, ring


@dataclass(frozen=True)
class Launch:
    """One kernel call of `<model>_run`."""

    ins: tuple[View, ...]
    out: View
    first_row: int
    rows: int
    scratch: tuple[str, int] | None
    state: str
    kernel: str
    params: str
    weights: str
    trace: tuple[str, ...]


@dataclass
class Weights:
    """The data of `<model>_weights.inc`."""

    arrays: dict[str, tuple[str, list[int]]] = field(default_factory=dict)  # name: element type, values
    structs: dict[str, tuple[str, str]] = field(default_factory=dict)  # name: type, initialiser
    assertions: dict[str, str] = field(default_factory=dict)
    residue: str = ""  # code that is none of these


def code(text: str) -> str:
    """Text without comments."""
    return COMMENT.sub(" ", text)


def literal(text: str) -> int:
    """An integer constant as eightbit writes it."""
    text = text.strip()
    if LITERAL.fullmatch(text) is None or len(text) > 20:
        why = "it is not an integer of 32 bits"
        raise InputError("cannot read the C of this build", where=text[:40], why=why, hint=NOT_C)
    value = -(2**31) if text.startswith("(") else int(text.removesuffix("u"))
    return max(-(2**40), min(2**40, value))  # what has more bits is wrong wherever it stands


def literals(text: str) -> list[int]:
    if PLAIN.fullmatch(text):  # nearly always, and much faster
        return [int(item) for item in text.split(",")]
    return [literal(item) for item in text.split(",")] if text.strip() else []


def read_weights(text: str) -> Weights:
    """Every definition in the file of constants."""
    found, rest = Weights(), code(text)
    for kind, name, size, values in ARRAY.findall(rest):
        numbers = literals(values)
        found.arrays[name] = kind, numbers
        if len(numbers) != int(size):
            found.residue += f"{name}[{size}] has {len(numbers)} values; "
    rest = ARRAY.sub(" ", rest)
    for kind, name, body in STRUCT.findall(rest):
        found.structs[name] = kind, body.strip()
    rest = STRUCT.sub(" ", rest)
    for condition, name in ASSERTION.findall(rest):
        found.assertions[name] = condition
    found.residue += " ".join(VERSION.sub(" ", ASSERTION.sub(" ", rest)).split())
    return found


def members(initialiser: str) -> dict[str, list[int]]:
    """`.in_h = 8, .extent = { 1, 2 }` as lists of integers; KeyError-free: what is no member is dropped here."""
    return {name: literals(value.strip("{} \n")) for name, value in MEMBER.findall(initialiser)}


def struct_types(text: str) -> dict[str, list[tuple[str, str, int]]]:
    """(name, type, array length or 0) of every member of every struct that a header defines."""
    found = {}
    for body, name in STRUCT_TYPE.findall(code(text)):
        fields = []
        for kind, declarators in DECLARED.findall(body):
            for item in declarators.split(","):
                plain, _, length = item.strip().lstrip("*").partition("[")
                fields.append((plain, kind, int(length.rstrip("]")) if length else 0))
        found[name] = fields
    return found


def launches(text: str) -> list[Launch]:
    """The kernel calls of a `<model>.c`, in order."""
    found = []
    for match in LAUNCH.finditer(code(text)):
        at = [item.strip() for item in match["at"].split(",")]
        if at[:2] != ["in", "out"] or len(at) != 6:
            raise InputError("cannot read the C of this build", where=match["at"], why="no launch", hint=NOT_C)
        found.append(
            Launch(
                ins=tuple(view(item) for item in re.findall(r"\{([^{}]*)\}", match["ins"])),
                out=view(match["out"].strip().strip("{}")),
                first_row=literal(at[2]),
                rows=literal(at[3]),
                scratch=None if at[4] == "0" else offset(at[4]),
                state=at[5],
                kernel=match["kernel"],
                params=match["params"],
                weights=match["weights"],
                trace=(match["trace"], *(item.strip() for item in match["traced"].split(","))),
            )
        )
    return found


def notes(text: str) -> list[tuple[str, str, int, str]]:
    """What the comments of the launches say: number, call, MACs, bytes read and written."""
    return [(number, call, spaced(macs or "0"), places) for number, call, macs, places in NOTE.findall(text)]


def accumulator_notes(text: str) -> dict[str, tuple[int, int, int]]:
    """By assertion, the interval and the bits that the comment before it says."""
    return {name: (spaced(low), spaced(high), int(bits)) for low, high, bits, name in ACC_NOTE.findall(text)}


def spaced(number: str) -> int:
    """12 345 678"""
    return int(number.replace(" ", ""))


def view(text: str) -> View:
    base, *steps = text.split(",")
    return (*offset(base), *(literal(item) for item in steps))


def offset(text: str) -> tuple[str, int]:
    """`arena + 1024`, or the name of a buffer of the caller."""
    base, plus, number = text.strip().partition(" + ")
    if (base == "arena") != bool(plus) or not base.isidentifier():
        raise InputError("cannot read the C of this build", where=text, why="no place in the arena", hint=NOT_C)
    return base, literal(number) if plus else 0


def assertions(text: str) -> dict[str, str]:
    return {name: condition for condition, name in ASSERTION.findall(code(text))}


def addresses(text: str) -> dict[str, tuple[str, int]]:
    """Where the functions of inputs and outputs point: an offset in the arena, or a buffer of the caller."""
    found = ADDRESS.findall(code(text))
    return {name: (buffer, 0) if buffer else ("arena", int(number)) for name, number, buffer in found}


def macros(text: str) -> dict[str, str]:
    return {name: value.strip() for name, value in DEFINE.findall(code(text))}


def versions(text: str) -> list[str]:
    """The values of E8_RUNTIME_VERSION that a file does not refuse."""
    return VERSION.findall(code(text))


def leftover_numbers(text: str) -> set[str]:
    """Integers in code that is neither a launch, an address nor an assertion."""
    rest = code(text)
    for pattern in (LAUNCH, ADDRESS, ASSERTION):
        rest = pattern.sub(" ", rest)
    return set(re.findall(r"(?<![\w.])-?\d+(?![\w.])", re.sub(r'^\s*#[^\n]*|"[^"]*"', " ", rest, flags=re.MULTILINE)))
