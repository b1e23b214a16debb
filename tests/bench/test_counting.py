# SPDX-License-Identifier: Apache-2.0
"""Counts of programs whose instructions are known, and how instructions are read, classed and weighed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import eightbit
from eightbit import target
from eightbit.bench import counting, elf, emulated, instructions
from eightbit.bench.elf import RunCode
from eightbit.execution import emulate, firmware, toolchain
from emulators import needs_tools

MAIN = """
#include "e8_board.h"
void known_run(void);
static volatile int runs;
static __attribute__((noinline)) void once(void)
{
    known_run();
    runs++;
}
int main(void)
{
    once();
    once();
    return runs - 2;
}
"""
# Ten rounds that call a function of two instructions: entry and return 1 + 1 more than the loop's set-up.
ARM = """
    .syntax unified
    .thumb
    .globl known_run, known_end
    .thumb_func
    .type known_run, %function
known_run:
    push {r4, lr}
    movs r4, #10
1:  bl known_leaf
    subs r4, #1
    bne 1b
    pop {r4, pc}
    .thumb_func
    .type known_end, %function
known_end:
    .thumb_func
    .type known_leaf, %function
known_leaf:
    nop
    bx lr
"""
RISCV = """
    .option norelax
    .globl known_run, known_end
known_run:
    addi sp, sp, -16
    sw ra, 12(sp)
    sw s0, 8(sp)
    li s0, 10
1:  jal ra, known_leaf
    addi s0, s0, -1
    bnez s0, 1b
    lw s0, 8(sp)
    lw ra, 12(sp)
    addi sp, sp, 16
    ret
known_end:
known_leaf:
    nop
    ret
"""
AARCH64 = """
    .globl known_run, known_end
known_run:
    stp x19, x30, [sp, #-16]!
    mov x19, #10
1:  bl known_leaf
    subs x19, x19, #1
    b.ne 1b
    ldp x19, x30, [sp], #16
    ret
known_end:
known_leaf:
    nop
    ret
"""
AVR = """
    .globl known_run, known_end
known_run:
    ldi r24, 10
1:  call known_leaf
    dec r24
    brne 1b
    ret
known_end:
known_leaf:
    nop
    ret
"""
MSP430 = """
    .globl known_run, known_end
known_run:
    mov #10, r12
1:  call #known_leaf
    dec r12
    jne 1b
    ret
known_end:
known_leaf:
    nop
    ret
"""
# Instructions, of them own; by class; cycles.
KNOWN = {
    "cortex-m4": (ARM, 53, 33, {"load": 1, "store": 1, "multiply": 0, "branch": 30, "other": 21}, None),
    "cortex-m0plus": (ARM, 53, 33, {"load": 1, "store": 1, "multiply": 0, "branch": 30, "other": 21}, None),
    "rv32imc": (RISCV, 58, 38, {"load": 2, "store": 2, "multiply": 0, "branch": 31, "other": 23}, None),
    "aarch64": (AARCH64, 54, 34, {"load": 1, "store": 1, "multiply": 0, "branch": 31, "other": 21}, None),
    # ldi 1, call 5, dec 1, brne 2 (1 where it goes on), nop 1, ret 5
    "avr-atmega2560": (AVR, 52, 32, None, 1 + 10 * (5 + 1 + 1 + 5) + 9 * 2 + 1 + 5),
    "msp430": (MSP430, 52, 32, None, None),
}


def known_program(name: str, work: Path) -> tuple[Path, RunCode]:
    """The program of KNOWN for a target, and where its function lies."""
    chip = target.load(name)
    (work / "known.s").write_text(KNOWN[name][0])
    (work / "main.c").write_text(MAIN)
    command = (*firmware.compiler(chip, ("-O1",)), "-I", firmware.resources.boards())
    code = firmware.compiled((chip.cc, *chip.cflags), work / "known.s", work / "known.o")
    main = firmware.compiled(command, work / "main.c", work / "main.o")
    program = firmware.program_file(work, chip, [main, code, *firmware.board_objects(work, chip, ("-O1",))])
    places = {name: symbol["st_value"] for name, symbol in elf._symbols(program)}
    low, high = (places[symbol] & ~1 for symbol in ("known_run", "known_end"))
    return program, RunCode(low, ((low, high),), (low,), (1,), {})


def count(name: str, work: Path) -> tuple[list[counting.Counts], Path, RunCode]:
    program, run = known_program(name, work)
    emulate.run(counting.counted(target.load(name), run, program), program)
    return [counting.read(program, inference) for inference in (0, 1)], program, run


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_program_counts_what_it_is_known_to(name: str, tmp_path: Path) -> None:
    needs_tools(name, bench=True)
    _, whole, own, classes, cycles = KNOWN[name]
    found, program, run = count(name, tmp_path)
    assert [counts.instructions for counts in found] == [whole] * 2
    if not found[1].blocks:  # this simulator counts the whole only, and cycles in a way of its own
        assert whole < (found[1].cycles or 0) < 4 * whole
        return
    assert [counts.cycles for counts in found] == [cycles] * 2
    mine = sum(block.runs * len(block.addresses) for block in found[1].blocks if not block.site)
    assert (mine, {block.site for block in found[1].blocks if block.site}) == (own, {call_site(found[1])})
    costs = emulated.costs_of(found[1].blocks, run, instructions.read(target.load(name), program), None)
    assert costs[1].instructions == whole
    if classes is not None:
        assert costs[1].classes == classes


def call_site(counts: counting.Counts) -> int:
    """The last of the function's own instructions before the first that is not: blocks of the loop end with it."""
    (site,) = {block.site for block in counts.blocks if block.site}
    assert any(site in block.addresses for block in counts.blocks if not block.site)
    return site


def test_the_estimate_of_a_known_program_follows_its_formula(tmp_path: Path) -> None:
    needs_tools("cortex-m4", bench=True)
    found, program, run = count("cortex-m4", tmp_path)
    listing = instructions.read(target.load("cortex-m4"), program)
    # push 3, movs 1, ten times bl 3, subs 1, nop 1, bx 3; bne nine times 2 and once 1, pop 3 and 2 more for the return
    cost = emulated.costs_of(found[1].blocks, run, listing, instructions.CORES["cortex-m4"])[1]
    assert cost.estimate == 3 + 1 + 10 * (3 + 1 + 1 + 3) + 9 * 2 + 1 + 5
    # push and pop 3 as well, taken branches 3, calls and returns 4
    cost = emulated.costs_of(found[1].blocks, run, listing, instructions.CORES["cortex-m0"])[1]
    assert cost.estimate == 3 + 1 + 10 * (4 + 1 + 1 + 4) + 9 * 3 + 1 + 6


def test_counts_are_the_same_in_three_runs(tmp_path: Path) -> None:
    needs_tools("cortex-m4")
    program, run = known_program("cortex-m4", tmp_path)
    texts = set()
    for _ in range(3):
        emulate.run(counting.counted(target.load("cortex-m4"), run, program), program)
        texts.add((tmp_path / counting.COUNTS).read_text())
    assert len(texts) == 1


@pytest.mark.parametrize("text", ["", "begin\nb 0 1 0 10\nend\n", "begin\nend\nbegin\nb 0 1 0 10\n"])
def test_counts_that_are_cut_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / counting.COUNTS).write_text(text)
    with pytest.raises(eightbit.EightbitError, match="counted nothing"):
        counting.read(tmp_path / "program", 1)


def test_the_plug_in_needs_a_host_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "HOST_COMPILER", "no-such-compiler")
    with pytest.raises(toolchain.MissingToolError) as refused:
        counting.counted(target.load("cortex-m4"), RunCode(0, ((0, 4),), (0,), (1,), {}), tmp_path / "program")
    assert (refused.value.exit_status, refused.value.hint) == (2, "apt install gcc")


def test_a_missing_disassembler_names_the_targets_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiler = tmp_path / "clang"
    compiler.write_text("#!/bin/sh\necho no-such-objdump\n")
    compiler.chmod(0o755)
    chip = replace(target.load("cortex-m55-clang"), cc=str(compiler))
    with pytest.raises(toolchain.MissingToolError) as refused:
        instructions.disassembler(chip)
    assert "llvm-19" in refused.value.hint
