# SPDX-License-Identifier: Apache-2.0
"""Generated code on an ATmega2560, simulated: int has 16 bits, constants are in flash, 8 KiB of RAM."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
import real
from models import model, node, samples, weights

MCU = "atmega2560"
MAIN = """
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>
#include "{name}.h"
e8_s16 {name}_selftest({name}_context *ctx, void (*put)(char));
static {name}_context context;
static void put(char c) {{ while (!(UCSR0A & (1 << UDRE0))) {{ }} UDR0 = (uint8_t)c; }}
int main(void)
{{
    UCSR0B = 1 << TXEN0;
    {name}_selftest(&context, put);
    cli();
    sleep_mode(); /* with interrupts off: the simulator ends */
    return 0;
}}
"""


def mlp() -> onnx.ModelProto:
    """The shape of a digits network: 64 -> 32 tanh -> 32 sigmoid -> 10 softmax."""
    nodes = [
        node("Flatten", "x", "f"),
        node("Gemm", "f w a", "h"),
        node("Tanh", "h", "i"),
        node("Gemm", "i v b", "j"),
        node("Sigmoid", "j", "k"),
        node("Gemm", "k u c", "l"),
        node("Softmax", "l", "y"),
    ]
    sizes = {"w": (64, 32), "v": (32, 32), "u": (32, 10), "a": (32,), "b": (32,), "c": (10,)}
    return model(nodes, {"x": [1, 1, 8, 8]}, {"y": [1, 10]}, {k: weights(*s) / 3 for k, s in sizes.items()})


def cnn() -> onnx.ModelProto:
    """Every other kind of call: convolution, depthwise, pools with borders, transpose at the end."""
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b d", "c", group=6, strides=[2, 2], pads=[1, 1, 1, 1]),
        node("AveragePool", "c", "e", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("MaxPool", "e", "y", kernel_shape=[2, 2]),
    ]
    consts = {"w": weights(6, 2, 3, 3), "d": weights(6, 1, 3, 3)}
    return model(nodes, {"x": [1, 2, 12, 10]}, {"y": [1, 6, 5, 4]}, consts)


def run_on_avr(build: eightbit.Build, folder: Path) -> list[str]:
    """Build the self-test for the ATmega2560, run it in simavr, return its lines."""
    out, name = build.write(folder / "out"), build.emission.name
    main, elf = folder / "main.c", folder / "selftest.elf"
    main.write_text(MAIN.format(name=name))
    sources = [main, out / f"{name}.c", out / f"{name}_selftest.c"]
    flags = ("-std=gnu99", "-Os", "-Wall", "-Wextra", "-Werror", f"-D{name.upper()}_SELFTEST")
    compiler = ["avr-gcc", f"-mmcu={MCU}", *flags, "-I", out, *sources, "-o", elf]
    done = subprocess.run(compiler, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    machine = subprocess.run(["avr-objdump", "-f", elf], capture_output=True, text=True, check=True).stdout
    assert "elf32-avr" in machine
    simulator = ["simavr", "-m", MCU, "-f", "16000000", elf]
    shown = subprocess.run(simulator, capture_output=True, text=True, timeout=120, check=False)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout + shown.stderr)
    return [line.strip().rstrip(".") for line in text.splitlines() if line.strip().startswith(name)]


def golden(build: eightbit.Build) -> str:
    text = str(build.emission.files[f"{build.emission.name}_selftest.c"])
    found = re.search(r"GOLDEN 0x([0-9a-f]{8})u", text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("proto", "shape"), [(mlp(), (1, 8, 8)), (cnn(), (2, 12, 10))], ids=["mlp", "cnn"])
def test_every_call_gives_the_simulators_bits_on_avr(
    proto: onnx.ModelProto, shape: tuple[int, ...], tmp_path: Path
) -> None:
    build = eightbit.compile(proto, samples(*shape, count=16), target="avr-atmega2560", name="net")
    lines = run_on_avr(build, tmp_path)
    assert [line for line in lines[1:-1] if not line.endswith("ok")] == []
    assert len(lines) == 4 * len(build.selection.kernels) + 2
    assert lines[-1] == f"net hash {golden(build)} PASS"


def test_a_network_too_large_for_the_board_is_refused_with_the_bytes_it_needs() -> None:
    proto = model([node("Relu", "x", "y")], {"x": [1, 9000]}, {"y": [1, 9000]})
    with pytest.raises(eightbit.BudgetError) as refused:
        eightbit.compile(proto, np.ones((2, 9000)), target="avr-atmega2560")
    assert "18000 bytes" in refused.value.why
    assert "8192" in refused.value.why


def test_digits_mlp_runs_on_avr(tmp_path: Path) -> None:
    if real.folder() is None:
        pytest.skip(f"{real.VARIABLE} is not set: the real digits_mlp did not run on AVR")
    network = real.NETWORKS["digits_mlp"]
    build = eightbit.compile(real.path(network), real.calibration(network), target="avr-atmega2560")
    assert run_on_avr(build, tmp_path)[-1] == f"digits_mlp hash {golden(build)} PASS"
