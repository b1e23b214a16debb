# SPDX-License-Identifier: Apache-2.0
"""The portable kernels where int has 16 bits and constants live in another address space: an ATmega2560, simulated."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eightbit import ops
from eightbit.cstruct import initialiser, struct_name
from eightbit.kernels.kernel import Kernel
from eightbit.program import Tensor, stored
from kernels.cases import Case
from kernels.driver import RUNTIME, Job, facts, job, kernel_files

CASES, DRAWN = 4, 200  # per kernel
MOST_CONSTANTS, MOST_ELEMENTS = 1200, 500  # bytes of a case, so that all fit 64 KiB of flash and 8 KiB of RAM
CTYPES = {"int8": "e8_s8", "int16": "e8_s16", "int32": "e8_s32", "uint32": "e8_u32"}
MAIN = """
#include <avr/io.h>
#include <avr/sleep.h>
#include <avr/interrupt.h>
static e8_s8 input[2][ELEMENTS], output[ELEMENTS + 1];
static e8_s32 state[ELEMENTS / 4];
static void put(char c) { while (!(UCSR0A & (1 << UDRE0))) { } UDR0 = (uint8_t)c; }
static void number(unsigned n) { if (n > 9) number(n / 10); put((char)('0' + n % 10)); }
static void load(e8_s8 *to, const e8_s8 E8_ROM *x, unsigned n)
{
    unsigned i;
    for (i = 0; i < n; i++) to[i] = x[i];
    for (i = 0; i < ELEMENTS + 1; i++) output[i] = 0x55;
}
static void report(unsigned index, const e8_s8 E8_ROM *y, unsigned n)
{
    unsigned i, wrong = output[n] != 0x55;
    for (i = 0; i < n; i++) wrong += output[i] != y[i];
    put('<'); number(index); put(':'); number(wrong); put('>'); put('\\n');
}
"""


FOLDERS = sorted({path.parent.name for path in kernel_files()})  # all are portable C


def sources(isa: str) -> list[Path]:
    return [path for path in kernel_files() if path.parent.name == isa]


def small_jobs(isa: str) -> list[Job]:
    jobs = []
    for source in sources(isa):
        case_of = importlib.import_module(f"ops.test_{facts(source).op}").case
        rngs = [np.random.default_rng([7, index]) for index in range(DRAWN)]
        drawn = [(case_of(rng), rng) for rng in rngs]
        fitting = [(case, rng) for case, rng in drawn if fits(facts(source), case)]
        fitting.sort(key=lambda drawn: -largest_sum(drawn[0]))  # half of the cases sum the most
        chosen = fitting[: CASES // 2] + fitting[len(fitting) // 2 :][: CASES // 2]
        jobs += [job(source, case, rng) for case, rng in chosen]
    return jobs


def largest_sum(case: Case) -> int:
    bound = ops.get(case.call.op).accumulator_bound(case.call, -128, 127)
    return case.inputs[0].size if bound is None else int(bound.max())


def fits(kernel: Kernel, case: Case) -> bool:
    if kernel.refusal(case.call, case.inputs):
        return False
    constants = sum(array.nbytes for array in kernel.pack(case.call).values())
    return constants <= MOST_CONSTANTS and max(case.inputs[0].size, case.output.size) <= MOST_ELEMENTS


def array(name: str, values: NDArray[Any]) -> str:
    numbers = ", ".join(str(int(v)) for v in values.ravel())
    return f"static const {CTYPES[values.dtype.name]} E8_ROM {name}[] = {{ {numbers} }};"


def view(tensor: Tensor, buffer: str) -> str:
    """The e8_rows of a whole tensor in a buffer."""
    height, width, channels = tensor.shape
    row, pixel, plane = (width, 1, height * width) if tensor.order == "CHW" else (width * channels, channels, 1)
    return f"{{ {buffer}, {row}, {pixel}, {plane}, {height} }}"


def function(index: int, job_: Job) -> str:
    """One case as C: its constants, and a function that runs it and reports the bytes that differ."""
    case, kernel = job_.case, job_.facts
    streams = kernel.pack(case.call)
    xs = [stored(array_, tensor) for array_, tensor in zip(case.arrays, case.inputs, strict=True)]
    lines = [array(f"c{index}_{role}", values) for role, values in streams.items()]
    lines += [array(f"c{index}_x{i}", x) for i, x in enumerate(xs)] + [array(f"c{index}_y", case.expected())]
    lines.append(f"static const {struct_name(ops.get(case.call.op))} E8_ROM c{index}_p = "
                 f"{{ {initialiser(case.call.params)} }};")  # fmt: skip
    weights = f"c{index}_{next(iter(streams))}" if streams else "0"
    if kernel.weights_type:
        pointers = ", ".join(f".{role} = c{index}_{role}" for role in streams)
        lines.append(f"static const {kernel.weights_type} E8_ROM c{index}_w = {{ {pointers} }};")
        weights = f"&c{index}_w"
    ins = ", ".join(view(tensor, f"input[{i}]") for i, tensor in enumerate(case.inputs))
    lines += [f"static void case_{index}(void)", "{", f"e8_rows in[] = {{ {ins} }};"]
    lines += [f"e8_rows out = {view(case.output, 'output')};", "e8_call at = { in, &out, 0, 0, 0, state };"]
    lines += [f"load(input[{i}], c{index}_x{i}, {x.size});" for i, x in enumerate(xs)]
    for launch in job_.placement.launches:
        lines.append(f"at.y = {launch.y}; at.n = {launch.n}; {kernel.symbol}(&c{index}_p, {weights}, &at);")
    return "\n".join([*lines, f"report({index}, c{index}_y, {case.output.size});", "}", ""])


def program(isa: str, jobs: list[Job]) -> str:
    """A main that runs every job and sends the number of wrong bytes of each."""
    includes = [f'#include "{path}"' for path in sources(isa)]
    main = ["int main(void)", "{", "UCSR0B = 1 << TXEN0;", *(f"case_{i}();" for i in range(len(jobs)))]
    main += ["cli();", "sleep_mode();", "return 0;", "}"]
    functions = [function(index, item) for index, item in enumerate(jobs)]
    return "\n".join([*includes, MAIN.replace("ELEMENTS", str(MOST_ELEMENTS)), *functions, *main, ""])


@pytest.mark.parametrize("isa", FOLDERS)
def test_every_kernel_makes_the_same_bits_on_an_8_bit_processor(isa: str, tmp_path: Path) -> None:
    jobs = small_jobs(isa)
    source, elf = tmp_path / "main.c", tmp_path / "main.elf"
    source.write_text(program(isa, jobs))
    command = ["avr-gcc", "-mmcu=atmega2560", "-std=gnu99", "-Os", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, f"-I{RUNTIME / 'include'}", source, "-o", elf], check=True)
    simulator = ["simavr", "-m", "atmega2560", "-f", "16000000", elf]
    ran = subprocess.run(simulator, capture_output=True, text=True, check=True, timeout=120)
    found = re.findall(r"<(\d+):(\d+)>", ran.stdout + ran.stderr)
    assert found == [(str(i), "0") for i in range(len(jobs))], ran.stdout + ran.stderr
