# SPDX-License-Identifier: Apache-2.0
"""Instructions of a program, as its own disassembler writes them: their class, and an estimate of their cycles."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eightbit.execution import toolchain
from eightbit.target import Target

CLASSES = ("load", "store", "multiply", "branch", "other")  # multiply: SIMD too
LINE = re.compile(r"^ *([0-9a-f]+): *\t([a-z][\w.]*)[ \t]*(.*)$")
CONDITION = r"(eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?"
# By the machine of an ELF header: mnemonics without width suffixes, the first that matches counts.
RULES = {
    "ARM": (
        ("branch", rf"(b|bl|bx|blx){CONDITION}|bxns|blxns|cbn?z|tb[bh]|le(tp)?|[wd]ls(tp\.\d+)?"),
        ("load", r"ldr.*|ldm.*|ldrd|pop.*|vld.*|vpop.*"),
        ("store", r"str.*|stm.*|push.*|vst.*|vpush.*"),
        ("multiply", r"mul.*|ml[as].*|[su]mul.*|[su]mla.*|smm.*|smus.*|smls.*|umaal.*"),
        ("multiply", r"[su]x?t?(add|sub|asx|sax)(8|16).*|[su]?[qh](add|sub|asx|sax)(8|16).*|[su]xta?b16.*|pkh.*"),
        ("multiply", r"usada?8.*|sel.*|[su]sat16.*|v.*"),
    ),
    "AARCH64": (
        ("branch", r"b|b\..*|bl|br|blr|ret|cbn?z|tbn?z"),
        ("load", r"ld.*"),
        ("store", r"st.*"),
        ("multiply", r"[su]?m(add|sub|ul|neg|nul)l?|[su]mulh"),
    ),
    "RISC-V": (
        ("branch", r"(c\.)?(b(eq|ne|lt|ge|gt|le)u?z?|j|jr|jal|jalr|ret|call|tail)"),
        ("load", r"(c\.)?f?l[bhwd]u?(sp)?|vl(\d|e|se|ux|ox|m).*"),
        ("store", r"(c\.)?f?s[bhwd](sp)?|vs(\d|e\d|se\d|ux|ox|m\.).*"),
        ("multiply", r"mul.*|v(?!set).*"),
    ),
}
VECTOR = re.compile(r"\b[vz]\d+\.")  # an operand of AArch64 that makes any arithmetic one in lanes
DISASSEMBLERS = {
    "gcc": "objdump",
    "clang": "llvm-objdump",
}  # of GNU and LLVM tool chains, as -print-prog-name calls them


@dataclass(frozen=True)
class Instruction:
    """`text`: mnemonic without width suffix, a space, operands. `paired`: a load right behind a load or a store."""

    text: str
    kind: str
    paired: bool

    @property
    def mnemonic(self) -> str:
        return self.text.split(" ", 1)[0]

    @property
    def registers(self) -> int:
        """How many are in a list in braces; 2 for a double word, else 1."""
        listed = re.search(r"\{(.*)\}", self.text)
        if listed is None:
            return 2 if re.match(r"(ld|st)rd|v(ld|st)r\.?64", self.text) else 1
        spans = [re.findall(r"\d+", span) for span in listed[1].split(",") if "-" in span]
        return listed[1].count(",") + 1 + sum(int(last) - int(first) for first, last in spans)


@dataclass(frozen=True)
class Core:
    """Cycles of a core with memories that never wait, after its reference manual.

    `load` one word, 1 directly behind another access where `pipelined`; `taken` a branch that is, `far` a call or a
    return; `mac` multiply and accumulate, `long` with a 64-bit result; `divide` in the middle of its range.
    """

    load: int = 2
    store: int = 1
    pipelined: bool = True
    taken: int = 2
    far: int = 3
    mac: int = 1
    long: int = 1
    divide: int = 7


M3 = Core(mac=2, long=5)
M4 = Core()
CORES = {  # others are left out: they start two instructions in a cycle, or vectors in beats
    "cortex-m0": Core(store=2, pipelined=False, taken=3, far=4),
    "cortex-m0plus": Core(store=2, pipelined=False),
    "cortex-m3": M3,
    "cortex-m4": M4,
    "cortex-m33": M4,
}
FORMULA = (
    "an estimate, not a measurement: 1 each; one load {load}{pipelined}, one store {store}, N registers 1 + N; "
    "a branch taken {taken}, a call or return {far}; multiply and accumulate {mac}, to 64 bits {long}; "
    "divide {divide}; memories without wait states"
)


def core_of(target: Target) -> Core | None:
    """What is known of the cycles of a target's processor."""
    named = [flag.removeprefix("-mcpu=") for flag in target.cflags if flag.startswith("-mcpu=")]
    return CORES.get(named[-1]) if named and target.machine == "ARM" else None


def formula(core: Core) -> str:
    """The estimate in words."""
    pipelined = " (1 right behind another access)" if core.pipelined else ""
    return FORMULA.format_map({**vars(core), "pipelined": pipelined})


def cycles(core: Core, instruction: Instruction, runs: int, taken: int) -> int:
    """Of `runs` of an instruction, `taken` of them with a jump."""
    name, kind = instruction.mnemonic, instruction.kind
    if kind in {"load", "store"}:
        one = getattr(core, kind)
        if re.match(r"ldm|stm|push|pop|vldm|vstm|vpush|vpop", name) or instruction.registers > 1:
            each = 1 + instruction.registers
        else:
            each = 1 if instruction.paired and core.pipelined else one
        return runs * each + taken * (core.far - 1)
    if kind == "branch":
        far = re.match(r"bl|bx", name) is not None
        return runs + taken * ((core.far if far else core.taken) - 1)
    if re.match(r"[su]div", name):
        return runs * core.divide
    if re.match(r"[su]ml?a?u?l?a?l$|[su]mull|[su]mlal|umaal", name):
        return runs * core.long
    return runs * (core.mac if re.match(r"ml[as]$", name) else 1)


def read(target: Target, program: Path) -> Mapping[int, Instruction]:
    """Every instruction of a program by address; empty for machines that have no rules."""
    if target.machine not in RULES:
        return {}
    tool = disassembler(target)
    done = subprocess.run([tool, "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=True)
    return parse(done.stdout, target.machine)


def parse(text: str, machine: str) -> dict[int, Instruction]:
    """What a disassembler prints."""
    found, before = {}, ""
    for line in text.splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        mnemonic = re.sub(r"\.[nw]$", "", match[2])
        operands = re.split(r"\s*[;@<]|//", match[3])[0].strip()
        kind = classify(machine, mnemonic, operands)
        instruction = Instruction(f"{mnemonic} {operands}", kind, before == "access")
        found[int(match[1], 16)] = instruction
        single = kind in {"load", "store"} and "{" not in operands
        before = "access" if single else ""
    return found


def classify(machine: str, mnemonic: str, operands: str) -> str:
    """One of CLASSES."""
    for kind, pattern in RULES[machine]:
        if re.fullmatch(pattern, mnemonic):
            return kind
    return "multiply" if machine == "AARCH64" and VECTOR.search(operands) else "other"


def disassembler(target: Target) -> str:
    """The program of the target's own tool chain."""
    name = next((tool for word, tool in DISASSEMBLERS.items() if word in target.cc), "objdump")
    done = subprocess.run([target.cc, f"-print-prog-name={name}"], capture_output=True, text=True, check=False)
    tool = done.stdout.strip() or name
    if toolchain.missing([tool]):
        raise toolchain.MissingToolError(name, f"target {target.name}", target.packages)
    return tool
