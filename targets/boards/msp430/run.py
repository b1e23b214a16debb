# SPDX-License-Identifier: 0BSD
"""python3 run.py program.elf: runs it in mspdebug's simulator; prints its console alone; ends with its status.

Instructions and cycles of the whole run go to stderr.
"""

import re
import subprocess
import sys

HALT = 0xFFD0  # of link.ld
COMMANDS = (
    "simio add hwmult multiplier",
    "simio add console console",
    "simio add tracer tracer",
    f"setbreak {HALT:#x}",
    "run",
    "simio info tracer",
    "exit",
)
# What mspdebug prints around the console: registers when it stops, then the tracer's counts.
SESSION = re.compile(
    r"Running\. Press Ctrl\+C to interrupt\.\.\.\n(?P<console>.*?)"
    rf"^ +\( PC: 0{HALT:x}\).*?\(R12: 0(?P<status>[0-9a-f]{{4}})\)"
    r".*?Instruction count: (?P<instructions>\d+)\nMCLK: +(?P<cycles>\d+)\n",
    re.DOTALL | re.MULTILINE,
)


def main(elf: str) -> int:
    command = ["mspdebug", "-q", "sim", f"prog {elf}", *COMMANDS]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    session = SESSION.search(done.stdout)
    if session is None:
        sys.stderr.write(f"mspdebug did not reach the end of the program:\n{done.stdout[-2000:]}{done.stderr}")
        return 99
    sys.stdout.write(session["console"])
    sys.stderr.write(f"instructions {session['instructions']} cycles {session['cycles']}\n")
    return int(session["status"], 16) & 0xFF


sys.exit(main(sys.argv[1]))
