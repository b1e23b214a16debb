# SPDX-License-Identifier: Apache-2.0
"""The two definitions of e8_mulhi_s32 are equal: on edges, on millions of pairs, and on a processor with 16-bit int."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import eightbit
from eightbit import target
from eightbit.emission import runtime
from eightbit.emission.vectors import HASH_START, HASH_STEP
from eightbit.ir.fixed import mulhi
from kernels.driver import NARROW
from models import dense, samples

INCLUDE = Path(__file__).parents[2] / "runtime_c" / "include"
DEFINITIONS = {"wide": (), "narrow": NARROW}
BUILDS = {
    "gcc -O0": ("gcc", "-O0"),
    "gcc -O3": ("gcc", "-O3"),
    "clang, sanitised": ("clang", "-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"),
}
HALF = 2**15
EDGES = sorted({sign * power + near for power in (0, 1, HALF, 2**16, 2**30, 2**31 - HALF, 2**31 - 2**16, 2**31)
                for sign in (-1, 1) for near in (-2, -1, 0, 1, 2)})  # fmt: skip
RANDOM = 4_000_000
PAIRS_ON_AVR = 5000
MAIN = """
#include <stdio.h>
#include "e8_mulhi.h"
int main(void)
{
    e8_s32 pair[2];
    while (fread(pair, sizeof pair, 1, stdin) == 1) {
        const e8_s32 high = e8_mulhi_s32(pair[0], pair[1]);
        fwrite(&high, sizeof high, 1, stdout);
    }
    return 0;
}
"""


def pairs() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Edges with edges, and random pairs of all magnitudes; a third of the second factors are m15 * 2^16."""
    edges = np.array([edge for edge in EDGES if -(2**31) <= edge < 2**31], np.int64)
    rng = np.random.default_rng(11)
    a, b = (rng.integers(-(2**31), 2**31, RANDOM) >> rng.integers(0, 32, RANDOM) for _ in range(2))
    b[: RANDOM // 3] = rng.integers(0, 2**15, RANDOM // 3) << 16
    return np.append(np.repeat(edges, edges.size), a), np.append(np.tile(edges, edges.size), b)


@pytest.mark.parametrize("compiler", BUILDS)
@pytest.mark.parametrize("definition", DEFINITIONS)
def test_both_definitions_give_the_floor_of_the_high_half(definition: str, compiler: str, tmp_path: Path) -> None:
    source, program = tmp_path / "main.c", tmp_path / "main"
    source.write_text(MAIN)
    command = [*BUILDS[compiler], "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run([*command, *DEFINITIONS[definition], f"-I{INCLUDE}", source, "-o", program], check=True)
    a, b = pairs()
    given = np.stack([a, b], axis=1).astype(np.int32).tobytes()
    out = np.frombuffer(subprocess.run([program], input=given, capture_output=True, check=True).stdout, np.int32)
    assert np.array_equal(out, mulhi(a, b))


AVR = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include "e8_mulhi.h"
static const e8_s32 E8_ROM edges[] = { EDGES };
static e8_u32 hash = HASH_STARTu, state = 1;
static void add(e8_s32 a, e8_s32 b) { hash = hash * HASH_STEPu + (e8_u32)e8_mulhi_s32(a, b); }
static e8_s32 next(void) { state = state * 1664525u + 1013904223u; return (e8_s32)state; }
static void put(char c) { while (!(UCSR0A & (1 << UDRE0))) { } UDR0 = (uint8_t)c; }
int main(void)
{
    unsigned i, j;
    for (i = 0; i < COUNT; i++) for (j = 0; j < COUNT; j++) add(edges[i], edges[j]);
    for (i = 0; i < PAIRS; i++) { const e8_s32 a = next(), b = next(); add(a, i % 2 ? b : b & 0x7fff0000); }
    UCSR0B = 1 << TXEN0;
    put('<');
    for (i = 0; i < 8; i++, hash <<= 4) put("0123456789abcdef"[hash >> 28]);
    put('>'); put('\\n');
    cli();
    sleep_mode();
    return 0;
}
"""


def avr_pairs() -> list[tuple[int, int]]:
    """The pairs of AVR's main, in its order."""
    edges, state, found = [edge for edge in EDGES if -(2**31) <= edge < 2**31], 1, []
    for i in range(PAIRS_ON_AVR):
        drawn = []
        for _ in range(2):
            state = (state * 1664525 + 1013904223) % 2**32
            drawn.append(state - 2**32 * (state >= 2**31))
        found.append((drawn[0], drawn[1] if i % 2 else drawn[1] & 0x7FFF0000))
    return [(a, b) for a in edges for b in edges] + found


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_both_definitions_are_equal_where_int_has_16_bits(definition: str, tmp_path: Path) -> None:
    expected = HASH_START
    for a, b in avr_pairs():
        expected = (expected * HASH_STEP + (a * b >> 32)) % 2**32
    edges = [str(edge) if edge > -(2**31) else "-2147483647 - 1" for edge in EDGES if -(2**31) <= edge < 2**31]
    values: dict[str, Any] = {"EDGES": ", ".join(edges), "HASH_START": HASH_START, "HASH_STEP": HASH_STEP,
                              "COUNT": len(edges), "PAIRS": PAIRS_ON_AVR}  # fmt: skip
    text = re.sub(r"\b(EDGES|COUNT|PAIRS)\b|HASH_START|HASH_STEP", lambda name: str(values[name[0]]), AVR)
    source, elf = tmp_path / "main.c", tmp_path / "main.elf"
    source.write_text(text)
    command = ["avr-gcc", "-mmcu=atmega2560", "-std=gnu99", "-Os", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, *DEFINITIONS[definition], f"-I{INCLUDE}", source, "-o", elf], check=True)
    simulator = ["simavr", "-m", "atmega2560", "-f", "16000000", elf]
    ran = subprocess.run(simulator, capture_output=True, text=True, check=True, timeout=120)
    assert re.findall(r"<(\w{8})>", ran.stdout + ran.stderr) == [f"{expected:08x}"]


@pytest.mark.parametrize("name", target.names())
def test_a_build_holds_the_definition_of_its_target(name: str) -> None:
    files = eightbit.compile(dense(), {"x": samples(4)}, target=name).emission.files
    definition = "e8_mulhi.h" if target.load(name).wide_multiply else "narrow/e8_mulhi.h"
    assert files["e8_mulhi.h"] == runtime.versioned("e8_mulhi.h", (INCLUDE / definition).read_text())


def test_targets_without_a_wide_multiplication_say_so() -> None:
    narrow = {name for name in target.names() if not target.load(name).wide_multiply}
    assert {"cortex-m0plus", "microbit", "avr-atmega2560"} <= narrow
    assert narrow.isdisjoint({"generic", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"})
