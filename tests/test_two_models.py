# SPDX-License-Identifier: Apache-2.0
"""Two models in one firmware that share one memory: a union of contexts, run in turn, on the host and a Cortex-M4."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
import real
from eightbit import build as builds
from eightbit import simulate, target
from eightbit.execution import emulate, firmware
from emulators import HOST
from models import conv_relu, dense, samples
from own_firmware import PRINTING, chip, firmware_of

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "two_models"
DIGITS = EXAMPLE.parent / "digits"
# In turn, over and over: as often as there are vectors. APART gives each its own memory, to compare sizes.
IN_TURN = (
    """
#include "one.h"
#include "two.h"
#include "e8_board.h"
#include "vectors.inc"
#ifdef APART
static struct { one_context one; two_context two; } memory;
#else
static union { one_context one; two_context two; } memory;
#endif
static e8_s8 image[TWO_INPUT_SIZE], scores[TWO_OUTPUT_SIZE];
"""
    + PRINTING
    + """
int main(void)
{
    int v;
    long n;

    put('1', (long)sizeof(one_context));
    put('2', (long)sizeof(two_context));
    for (v = 0; v < VECTORS; v++) {
        one_init(&memory.one);
        for (n = 0; n < ONE_INPUT_SIZE; n++)
            one_input(&memory.one)[n] = ones[v * (long)ONE_INPUT_SIZE + n];
        put('s', one_run(&memory.one));
        for (n = 0; n < ONE_OUTPUT_SIZE; n++)
            put('a', one_output(&memory.one)[n] + 128);
        two_init(&memory.two);
        for (n = 0; n < TWO_INPUT_SIZE; n++)
            image[n] = twos[v * (long)TWO_INPUT_SIZE + n];
        two_bind(&memory.two, image, scores);
        put('s', two_run(&memory.two));
        for (n = 0; n < TWO_OUTPUT_SIZE; n++)
            put('b', scores[n] + 128);
    }
    return 0;
}
"""
)
READER = (
    """
#include "reader.h"
#include "e8_board.h"
#include "vectors.inc"
"""
    + PRINTING
    + """
int main(void)
{
    static e8_s8 image[64], ink, logits[10];
    int v, n;

    for (v = 0; v < VECTORS; v++) {
        for (n = 0; n < 64; n++)
            image[n] = images[v * 64 + n];
        put('r', reader_read(image, &ink, logits) + 10);
        put('i', ink + 128);
        for (n = 0; n < 10; n++)
            put('l', logits[n] + 128);
        for (n = 0; n < 64; n++)
            if (image[n] != images[v * 64 + n])
                put('w', n); /* written */
    }
    return 0;
}
"""
)


def tool(on: target.Target, name: str) -> str:
    return on.cc.replace("gcc", name)


def symbols(on: target.Target, program: Path) -> dict[str, tuple[str, int]]:
    """Kind and bytes of every symbol with a size."""
    shown = subprocess.run([tool(on, "nm"), "-S", program], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\w+ (\w+) (\w) (\S+)$", shown, re.MULTILINE)
    return {name: (kind, int(size, 16)) for size, kind, name in found}


def in_ram(on: target.Target, program: Path) -> int:
    """Bytes of .data and .bss."""
    shown = subprocess.run([tool(on, "size"), "-A", program], capture_output=True, text=True, check=True).stdout
    return sum(int(size) for size in re.findall(r"^\.(?:data|bss)\s+(\d+)", shown, re.MULTILINE))


def pair(names: str) -> tuple[eightbit.Build, eightbit.Build]:
    """Model `one` with its tensors in the arena, model `two` with its input and output in buffers of the caller."""
    if names == "small":
        return (
            eightbit.compile(conv_relu(), samples(2, 5, 5), name="one"),
            eightbit.compile(dense(), samples(4), name="two", io="caller", optimize="size"),
        )
    if real.folder() is None:
        pytest.skip(f"{real.VARIABLE} is not set: kws and digits_cnn did not share a memory")
    one, two = real.NETWORKS["kws"], real.NETWORKS["digits_cnn"]
    return (
        eightbit.compile(real.path(one), real.calibration(one), name="one"),
        eightbit.compile(real.path(two), real.calibration(two), name="two", io="caller"),
    )


@pytest.mark.parametrize("name", ["host", "cortex-m4"])
@pytest.mark.parametrize("names", ["small", "kws and digits_cnn"])
def test_the_bits_are_right_after_every_switch_and_ram_is_that_of_the_larger_one(
    names: str, name: str, tmp_path: Path
) -> None:
    on, both = chip(name), pair(names)
    folders = [build.write(tmp_path / build.emission.name) for build in both]
    memory = [simulate.memory(build.program, builds.batch(build.program, None, 4)) for build in both]
    vectors = {
        array: values[build.program.inputs[0].tensor]
        for array, values, build in zip(("ones", "twos"), memory, both, strict=True)
    }
    elf = firmware_of(tmp_path / "union", on, folders, IN_TURN, vectors)
    printed = emulate.run(on, elf).split()
    results = [values[build.program.outputs[0].tensor] for values, build in zip(memory, both, strict=True)]
    expected = []
    for a, b in zip(*results, strict=True):
        expected += ["s0", *(f"a{value + 128}" for value in a.tolist())]
        expected += ["s0", *(f"b{value + 128}" for value in b.tolist())]
    assert printed[2:] == expected

    sizes = [int(line[1:]) for line in printed[:2]]
    pointer = 4 if name == "cortex-m4" else 8
    reports = [build.report() for build in both]
    assert sizes == [report["context_bytes"] + pointer * report["context_pointers"] for report in reports]
    assert symbols(on, elf)["memory"][1] == max(sizes)
    apart = firmware_of(tmp_path / "apart", on, folders, IN_TURN, vectors, cflags=("-O2", "-DAPART"))
    assert in_ram(on, apart) - in_ram(on, elf) == min(sizes)


@pytest.mark.parametrize("name", ["host", "cortex-m4"])
def test_the_example_reads_digits_and_leaves_blank_sheets_alone(name: str, tmp_path: Path) -> None:
    on = chip(name)
    x = np.load(DIGITS / "test.npz")["image"][:24].copy()
    x[::3] *= 0.05
    ink = eightbit.compile(EXAMPLE / "ink.onnx", EXAMPLE / "ink.npz", io="caller")
    digits = eightbit.compile(DIGITS / "digits.onnx", DIGITS / "calibration.npz", io="caller")
    folders = [ink.write(tmp_path / "ink"), digits.write(tmp_path / "digits")]
    images = [builds.batch(build.program, {"image": x})[build.program.inputs[0].tensor] for build in (ink, digits)]
    assert (images[0] == images[1]).all()  # the two mean the same by a pixel
    pixels = images[0].reshape(len(x), 64)
    elf = firmware_of(
        tmp_path / "firmware", on, folders, READER, {"images": pixels}, [EXAMPLE / "reader.c"], include=EXAMPLE
    )
    printed = emulate.run(on, elf).split()

    inks = ink.simulate({"image": x})["ink"].reshape(-1).tolist()
    logits = digits.simulate({"image": x})["logits"].reshape(len(x), -1)
    expected, last = [], np.zeros(10, np.int8)
    for score, row in zip(inks, logits, strict=True):
        woken = score > ink.program.tensors[ink.program.outputs[0].tensor].zero_point
        last = row if woken else last
        result = int(np.argmax(row)) if woken else -1
        expected += [f"r{result + 10}", f"i{score + 128}", *(f"l{value + 128}" for value in last.tolist())]
    assert printed == expected
    assert {"r9", "r13"} < {line for line in printed if line.startswith("r")}  # blank sheets, and digits
    pointers = 2 * (4 if name == "cortex-m4" else 8)
    assert symbols(on, elf)["memory"][1] == digits.report()["context_bytes"] + pointers


def test_no_symbol_of_one_model_is_in_the_other(tmp_path: Path) -> None:
    seen: set[str] = set()
    for build in pair("small"):
        out = build.write(tmp_path / build.emission.name)
        made = firmware.compiled((*firmware.compiler(HOST, ("-O2",)), "-I", out), out / f"{out.name}.c", out / "m.o")
        found = symbols(HOST, made)
        shared = {name for name, (kind, _) in found.items() if kind.isupper()}
        assert shared
        assert all(name.startswith(f"{out.name}_") for name in shared)
        assert not [name for name, (kind, _) in found.items() if kind.lower() in "bd" and not name.startswith("__")]
        assert not shared & seen
        seen |= shared


def test_the_small_network_of_the_example_is_what_its_script_makes(tmp_path: Path) -> None:
    (tmp_path / "two_models").mkdir()
    (tmp_path / "two_models" / "make_ink.py").write_bytes((EXAMPLE / "make_ink.py").read_bytes())
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "calibration.npz").write_bytes((DIGITS / "calibration.npz").read_bytes())
    subprocess.run([sys.executable, tmp_path / "two_models" / "make_ink.py"], check=True)
    assert onnx.load(tmp_path / "two_models" / "ink.onnx") == onnx.load(EXAMPLE / "ink.onnx")
    made, kept = (np.load(folder / "ink.npz")["image"] for folder in (tmp_path / "two_models", EXAMPLE))
    assert (made == kept).all()
