# SPDX-License-Identifier: Apache-2.0
"""The digits example from end to end: compile, write the C, verify it bit for bit, evaluate, measure."""

import os
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import eightbit

HERE = Path(__file__).resolve().parent
OUT = HERE.parent.parent / "build" / "digits"
MODEL, CALIBRATION, TEST = HERE / "digits.onnx", HERE / "calibration.npz", HERE / "test.npz"


def code_bytes(source: Path) -> int:
    """Machine code of one C file, without its constants: the .text of what `gcc -Os` makes of it on this host."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "model.o"
        subprocess.run(["gcc", "-std=c99", "-Os", "-fno-pie", "-c", source, "-o", target], check=True)
        sizes = subprocess.run(["size", "-A", target], check=True, capture_output=True, text=True).stdout
    return sum(int(line.split()[1]) for line in sizes.splitlines() if line.startswith(".text"))


def main() -> int:
    """Print what the compiler promises of this network and what was measured; 1 if the C and the simulator differ."""
    build = eightbit.compile(MODEL, CALIBRATION)
    build.write(OUT)
    verified = build.verify(TEST)
    scores = eightbit.evaluate(build, MODEL, TEST)
    size = build.report()

    table = Table("digits", f"{scores['samples']} test images, 8x8 pixels, ten classes")
    table.add_row("accuracy, float", f"{scores['accuracy_float']:.2%}")
    table.add_row("accuracy, fixed point", f"{scores['accuracy_fixed']:.2%}")
    table.add_row("agreement", f"{scores['agreement']:.2%} get the same class from both")
    table.add_row("SQNR", f"{scores['sqnr_db']:.1f} dB of signal over quantisation noise", end_section=True)
    table.add_row("C against simulator", f"{verified.differing_bytes} bytes differ", end_section=True)
    table.add_row("RAM", f"{size['arena_bytes']:,} bytes, {size['activation_bytes']:,} of them activations")
    table.add_row("flash, constants", f"{size['weight_bytes']:,} bytes")
    table.add_row("flash, code", f"{code_bytes(OUT / 'digits.c'):,} bytes (measured here: gcc -Os for this host)")
    table.add_row("MACs", f"{size['macs']:,}")
    Console(highlight=False).print(table)
    print(f"The C lies in {os.path.relpath(OUT)}/: start with README.md and digits.h.")
    return 0 if verified.ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
