# SPDX-License-Identifier: 0BSD
"""python3 run.py program.elf [what to count]: compiles host/simulate.c for this machine, runs the program in it."""

import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "host" / "simulate.c"


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="eightbit-simavr-") as folder:
        simulator = Path(folder) / "simulate"
        built = subprocess.run(["gcc", "-O2", SOURCE, "-o", simulator, "-lsimavr"], check=False)
        if built.returncode:
            sys.stderr.write("the simulator needs gcc and libsimavr: apt install gcc libsimavr-dev\n")
            return 97
        return subprocess.run([simulator, *arguments], check=False).returncode


sys.exit(main(sys.argv[1:]))
