# SPDX-License-Identifier: Apache-2.0
"""For which machine a program file was built: read from the file itself, so that no host build passes for another."""

from __future__ import annotations

from pathlib import Path

# e_machine of the ELF header, by the names of the ELF specification without `EM_`.
ELF_MACHINES = {
    "386": 3,
    "MIPS": 8,
    "PPC": 20,
    "PPC64": 21,
    "S390": 22,
    "ARM": 40,
    "SPARC": 2,
    "X86-64": 62,
    "AVR": 83,
    "XTENSA": 94,
    "MSP430": 105,
    "HEXAGON": 164,
    "AARCH64": 183,
    "RISC-V": 243,
}
WASM = "wasm"
NAMES = (*ELF_MACHINES, WASM)


def name(program: Path) -> str:
    """One of NAMES; `machine N` for an ELF of another number; "" where the file is neither ELF nor WebAssembly."""
    with program.open("rb") as file:
        header = file.read(20)
    if header.startswith(b"\0asm"):
        return WASM
    if not header.startswith(b"\x7fELF") or len(header) < 20:
        return ""
    number = int.from_bytes(header[18:20], "little" if header[5] == 1 else "big")
    return next((known for known, value in ELF_MACHINES.items() if value == number), f"machine {number}")
