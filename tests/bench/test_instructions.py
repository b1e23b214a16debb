# SPDX-License-Identifier: Apache-2.0
"""Classes of mnemonics, and what the estimate of cycles knows of them."""

from __future__ import annotations

import pytest

from eightbit import target
from eightbit.bench import instructions
from eightbit.bench.instructions import Instruction

CLASSED = {
    "ARM": {
        "load": "ldr ldrb ldrsb ldrd ldm ldmia.w pop vldrb.s16 vpop",
        "store": "str strh strd stmdb push vstrw.32",
        "multiply": "mul muls mla smlad smlabb smull smlal smmul umaal sxtb16 uxtab16 pkhbt vmladava.s8 vadd.i32",
        "branch": "b beq bne.n bl bx cbz cbnz bls ble dls letp le dlstp.8 tbb",
        "other": "add adds sub lsls sxtb uxth bic cmp it ite movw ssat usat sdiv ubfx",
    },
    "RISC-V": {
        "load": "lw lb lhu ld c.lw flw vle8.v vlse32.v",
        "store": "sw sb sh sd c.swsp vse32.v",
        "multiply": "mul mulh vmacc.vv vadd.vv",
        "branch": "beq bnez j jal ret call c.jr bgeu",
        "other": "add addi srai li lui vsetvli slli and",
    },
    "AARCH64": {
        "load": "ldr ldp ldrsb ld1",
        "store": "str stp strb st1",
        "multiply": "mul madd smull smaddl umulh",
        "branch": "b b.ne bl ret cbz tbnz",
        "other": "add sub sxtw mov lsl cmp",
    },
}


@pytest.mark.parametrize(("machine", "kind"), [(m, k) for m, kinds in CLASSED.items() for k in kinds])
def test_mnemonics_have_their_class(machine: str, kind: str) -> None:
    lines = "".join(f"  {4 * n:x}:\t{name}\tr0, r1\n" for n, name in enumerate(CLASSED[machine][kind].split()))
    wrong = [each.text for each in instructions.parse(lines, machine).values() if each.kind != kind]
    assert wrong == []


def test_vector_operands_make_an_instruction_one_in_lanes() -> None:
    assert instructions.classify("AARCH64", "add", "v0.4s, v1.4s, v2.4s") == "multiply"


@pytest.mark.parametrize(
    ("text", "registers"),
    [("push {r4, lr}", 2), ("ldm r0, {r1-r3, r8}", 4), ("ldrd r0, r1, [r2]", 2), ("ldr r0, [r1]", 1), ("pop {pc}", 1)],
)
def test_registers_of_a_list_are_counted(text: str, registers: int) -> None:
    assert Instruction(text, "load", False).registers == registers


def test_a_load_behind_an_access_is_pipelined() -> None:
    text = "0:\tldr\tr0, [r1]\n2:\tldr\tr2, [r3]\n4:\tadds\tr0, r2\n6:\tldr\tr2, [r1]\n8:\tldmia\tr0, {r1, r2}\n"
    listing = instructions.parse(text, "ARM")
    assert [instructions.cycles(instructions.M4, each, 1, 0) for each in listing.values()] == [2, 1, 1, 2, 3]
    assert instructions.cycles(instructions.M3, Instruction("smull r0, r1, r2, r3", "multiply", False), 1, 0) == 5
    assert instructions.cycles(instructions.M3, Instruction("mla r0, r1, r2, r3", "multiply", False), 1, 0) == 2


def test_cores_that_start_two_instructions_at_once_have_no_estimate() -> None:
    estimated = [name for name in target.names() if instructions.core_of(target.load(name)) is not None]
    assert {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m33"} <= set(estimated)
    assert not {"cortex-m7", "cortex-m55", "armv7-neon", "rv32imc"} & set(estimated)
