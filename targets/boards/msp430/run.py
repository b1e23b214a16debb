# SPDX-License-Identifier: 0BSD
"""python3 run.py program.elf [entry=0x.. return=0x.. out=FILE]: runs it in mspdebug's simulator.

Prints its console alone; ends with its status. With `entry`, FILE gets for each call of the function there, which comes
back to `return`: `begin`, `t INSTRUCTIONS CYCLES` in hexadecimal, `end`.
"""

import re
import subprocess
import sys
from pathlib import Path

HALT = 0xFFD0  # of link.ld
CALLS = 2  # of the function
PERIPHERALS = ("simio add hwmult multiplier", "simio add console console", "simio add tracer tracer")
STOP = ("run", "simio info tracer")
# What mspdebug prints around the console: registers when it stops, then the tracer's counts.
SESSION = re.compile(
    r"Running\. Press Ctrl\+C to interrupt\.\.\.\n(?P<console>.*?)"
    r"^ +\( PC: 0(?P<pc>[0-9a-f]{4})\).*?\(R12: 0(?P<status>[0-9a-f]{4})\)"
    r".*?Instruction count: (?P<instructions>\d+)\nMCLK: +(?P<cycles>\d+)\n",
    re.DOTALL | re.MULTILINE,
)


def main(elf: str, arguments: list[str]) -> int:
    given = dict(argument.split("=", 1) for argument in arguments)
    stops = [int(given["entry"], 16), int(given["return"], 16)] * CALLS if given else []
    breaks = [f"setbreak {address:#x}" for address in sorted({*stops, HALT})]
    command = ["mspdebug", "-q", "sim", f"prog {elf}", *PERIPHERALS, *breaks, *STOP * (len(stops) + 1), "exit"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    sessions = list(SESSION.finditer(done.stdout))
    if [int(session["pc"], 16) for session in sessions] != [*stops, HALT]:
        sys.stderr.write(f"mspdebug did not reach the end of the program:\n{done.stdout[-2000:]}{done.stderr}")
        return 99
    if given:
        Path(given["out"]).write_text(counts(sessions[:-1]), encoding="ascii")
    sys.stdout.write("".join(session["console"] for session in sessions))
    return int(sessions[-1]["status"], 16) & 0xFF


def counts(stops: list[re.Match[str]]) -> str:
    """From each entry to the return that follows."""
    lines = []
    for enter, leave in zip(stops[::2], stops[1::2], strict=True):
        spent = [int(leave[key]) - int(enter[key]) for key in ("instructions", "cycles")]
        lines += ["begin", f"t {spent[0]:x} {spent[1]:x}", "end"]
    return "".join(f"{line}\n" for line in lines)


sys.exit(main(sys.argv[1], sys.argv[2:]))
