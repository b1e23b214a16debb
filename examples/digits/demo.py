# SPDX-License-Identifier: Apache-2.0
"""The digits example from end to end: compile, write the C, verify it bit for bit, evaluate, measure."""

import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import eightbit

HERE = Path(__file__).resolve().parent
OUT = Path("build/digits")
MODEL, CALIBRATION, TEST = HERE / "digits.onnx", HERE / "calibration.npz", HERE / "test.npz"


def code_bytes(source: Path) -> int:
    """Machine code of one C file without its constants: the .text sections of the object that `gcc -Os` makes here."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.o"
        compile_c = ["gcc", "-std=c99", "-Os", "-fno-pie", "-I", source.parent, "-c", source, "-o", target]
        subprocess.run(compile_c, check=True)
        sections = subprocess.run(["size", "-A", target], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in sections.splitlines() if line.startswith(".text"))
    return sum(int(size) for _, size, *_ in rows)


def main() -> None:
    """Print what the compiler promises of this network, and what was measured."""
    build = eightbit.compile(MODEL, CALIBRATION, name="digits")
    build.write(OUT)
    verified = build.verify(TEST)
    scores = eightbit.evaluate(build, MODEL, TEST)

    table = Table("digits: 8x8 pixels to ten classes", "", show_edge=False)
    table.add_row("accuracy, float", f"{scores['accuracy_float']:.2%} of {scores['samples']} test images")
    table.add_row("accuracy, fixed point", f"{scores['accuracy_fixed']:.2%}")
    table.add_row("same answer", f"{scores['agreement']:.2%}")
    table.add_row("signal to quantisation noise", f"{scores['sqnr_db']:.1f} dB")
    table.add_row(
        "C against simulator", f"{verified.differing_bytes} bytes differ in {verified.samples} runs"
    )
    table.add_row("code", f"{code_bytes(OUT / 'digits.c'):,} bytes (this host, gcc -Os)")
    Console().print(table)
    print(f"\nThe C lies in {OUT}/: start with digits.h, then README.md.")


if __name__ == "__main__":
    main()
