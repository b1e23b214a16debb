# SPDX-License-Identifier: Apache-2.0
"""What a compiled model is made of: bytes of code by function and of constants, and whose code each address is.

Read from symbols and debug information (`-g`, which adds no instruction), because compilers move and merge the code of
calls: names of functions do not tell.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from elftools.dwarf.compileunit import CompileUnit
from elftools.dwarf.die import DIE
from elftools.dwarf.dwarfinfo import DWARFInfo
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from eightbit.errors import BuildError

Range = tuple[int, int]  # first address and the one behind the last
CALL = re.compile(r"    /\* (\d+)\. ")  # how templates/model.c.j2 opens a call
UNWINDING = (".eh_frame", ".ARM.ex")  # of languages with exceptions: a C firmware drops it
RELOCATED = ".data.rel.ro"  # constants that hold addresses


@dataclass(frozen=True)
class Function:
    """A function of a program, by its base name."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Sections:
    """Bytes of an object file that a firmware keeps."""

    constants: int
    static: int  # written


@dataclass(frozen=True)
class RunCode:
    """The code of `<model>_run`. `starts`/`owners`: from which address on it belongs to which call (0: to none)."""

    entry: int
    ranges: tuple[Range, ...]
    starts: tuple[int, ...]
    owners: tuple[int, ...]
    inlined: Mapping[str, int]  # bytes of functions that were merged into it, by name

    def call_at(self, address: int) -> int:
        """The number of the call whose code lies at an address of the function; 0: the function's own."""
        place = bisect_right(self.starts, address) - 1
        return self.owners[place] if place >= 0 else 0


def sections(path: Path) -> Sections:
    """Sizes in an object file, before the linker adds anything."""
    constants = static = 0
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            flags, name = section["sh_flags"], section.name
            if not flags & SH_FLAGS.SHF_ALLOC or flags & SH_FLAGS.SHF_EXECINSTR or name.startswith(UNWINDING):
                continue
            if flags & SH_FLAGS.SHF_WRITE and not name.startswith(RELOCATED):
                static += section["sh_size"]
            else:
                constants += section["sh_size"]
    return Sections(constants, static)


def same_code(one: Path, other: Path) -> bool:
    """Whether two object files hold the same instructions."""
    return _code(one) == _code(other)


def _code(path: Path) -> list[tuple[str, bytes]]:
    with path.open("rb") as file:
        sections = [s for s in ELFFile(file).iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_EXECINSTR]
        return [(section.name, section.data()) for section in sections if section["sh_size"]]


def functions(model: Path, program: Path) -> tuple[list[Function], list[Function]]:
    """Functions of the linked `program` that the object file `model` defines, and those of others that it calls."""
    defined = {name for name, symbol in _symbols(model) if symbol["st_info"]["type"] == "STT_FUNC"}
    needed = {name for name, symbol in _symbols(model) if symbol["st_shndx"] == "SHN_UNDEF"}
    with program.open("rb") as file:
        image = ELFFile(file)
        code = {n for n, s in enumerate(image.iter_sections()) if s["sh_flags"] & SH_FLAGS.SHF_EXECINSTR}
        thumb = 1 if image["e_machine"] == "EM_ARM" else 0
    found: dict[str, int] = {}
    sizes: dict[int, int] = {}  # the largest of several names: some have none
    for name, symbol in _symbols(program):
        if symbol["st_shndx"] in code:
            found[name] = address = symbol["st_value"] & ~thumb
            sizes[address] = max(symbol["st_size"], sizes.get(address, 0))
    starts = sorted(sizes)
    for address, after in pairwise(starts):
        sizes[address] = sizes[address] or after - address  # written in assembly, without a size
    own, others = (
        [Function(base_name(name), found[name], sizes[found[name]]) for name in sorted(names) if name in found]
        for names in (defined, needed)
    )
    return own, others


def base_name(name: str) -> str:
    """A function's name without what the compiler added (`.constprop.0`, on some machines with `$`)."""
    return re.split(r"[.$]", name)[0]


def _symbols(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, SymbolTableSection):
                yield from ((symbol.name, symbol) for symbol in section.iter_symbols() if symbol.name)


def behind_msp430_call(program: Path, function: int) -> int:
    """The address behind the only call of a function in a program for the MSP430."""
    call = b"\xb0\x12" + function.to_bytes(2, "little")
    found = []
    with program.open("rb") as file:
        for section in ELFFile(file).iter_sections():
            if section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR:
                places = re.finditer(re.escape(call), section.data())
                found += [section["sh_addr"] + place.end() for place in places]
    if len(found) != 1:
        raise BuildError(
            "the run function is not called from one place",
            where=program.name,
            why=f"{len(found)} calls of it are there",
            hint="leave out flags that copy or merge code from --cflags",
        )
    return found[0]


def run_code(program: Path, source: Path, run: Function) -> RunCode:
    """Where `<model>_run`, compiled from `source` with source lines, lies in a linked program, and whose code it holds.

    Clang describes it only where something was merged into it: else it is one piece, as its symbol says.
    """
    numbers = _calls_by_line(source)
    with program.open("rb") as file:
        info = ELFFile(file).get_dwarf_info()
        unit = next((u for u in info.iter_CUs() if Path(_name(u.get_top_DIE())).name == source.name), None)
        if unit is None:
            raise _no_debug_information(source)
        pieces = [die for die in unit.iter_DIEs() if die.tag == "DW_TAG_subprogram" and _is_run(die, source)]
        ranges = sorted(span for die in pieces for span in _ranges(info, unit, die))
        ranges = ranges or [(run.address, run.address + run.size)]
        owners: dict[int, int | None] = dict(_owners_by_line(info, unit, source, ranges, numbers))
        inlined: dict[str, int] = {}
        for die in (part for piece in pieces for part in _inlined(piece)):
            number = numbers[die.attributes["DW_AT_call_line"].value]
            for low, high in _ranges(info, unit, die):
                _claim(owners, low, high, number)
                name = base_name(_name(_origin(die)))
                inlined[name] = inlined.get(name, 0) + high - low
    starts = sorted(owners)
    known = _completed([owners[start] for start in starts], max(numbers))
    return RunCode(run.address, tuple(ranges), tuple(starts), tuple(known), inlined)


def _no_debug_information(source: Path) -> BuildError:
    return BuildError(
        "the program does not say whose code is where",
        where=source.name,
        why="it holds no debug information of its run function",
        hint="the target's compiler must write DWARF where it is asked for it",
    )


def _calls_by_line(source: Path) -> list[int]:
    """For every line of the C, counted from 1, the call whose block it lies in; 0 outside of all."""
    numbers, current = [0], 0
    for line in source.read_text(encoding="utf-8").splitlines():
        opened = CALL.match(line)
        current = int(opened[1]) if opened else 0 if line.startswith(("    return", "}")) else current
        numbers.append(current)
    return numbers


def _name(die: DIE) -> str:
    value = die.attributes.get("DW_AT_name")
    return value.value.decode(errors="replace") if value else ""


def _origin(die: DIE) -> DIE:
    while "DW_AT_abstract_origin" in die.attributes:
        die = die.get_DIE_from_attribute("DW_AT_abstract_origin")
    return die


def _is_run(die: DIE, source: Path) -> bool:
    return _name(_origin(die)) == f"{source.stem}_run"


def _inlined(die: DIE) -> Iterator[DIE]:
    """Functions merged into this one, without those that were merged into them before."""
    for child in die.iter_children():
        if child.tag == "DW_TAG_inlined_subroutine":
            yield child
        elif child.tag == "DW_TAG_lexical_block":
            yield from _inlined(child)


def _ranges(info: DWARFInfo, unit: CompileUnit, die: DIE) -> list[Range]:
    values = die.attributes
    if "DW_AT_low_pc" in values and "DW_AT_high_pc" in values:
        low, high = values["DW_AT_low_pc"].value, values["DW_AT_high_pc"]
        return [(low, high.value if high.form == "DW_FORM_addr" else low + high.value)]
    lists = info.range_lists()
    if "DW_AT_ranges" not in values or lists is None:
        return []
    found = []
    base = unit.get_top_DIE().attributes.get("DW_AT_low_pc")
    start = base.value if base else 0
    for part in lists.get_range_list_at_offset(values["DW_AT_ranges"].value, cu=unit):
        if isinstance(part, BaseAddressEntry):
            start = part.base_address
            continue
        offset = 0 if getattr(part, "is_absolute", False) else start
        found.append((part.begin_offset + offset, part.end_offset + offset))
    return [(low, high) for low, high in found if high > low]


def _owners_by_line(
    info: DWARFInfo, unit: CompileUnit, source: Path, ranges: list[Range], numbers: list[int]
) -> Iterator[tuple[int, int | None]]:
    """By the source line of each address; None: of no line of the file."""
    program = info.line_program_for_CU(unit)
    if program is None:
        return
    names = [Path(entry.name.decode(errors="replace")).name for entry in program["file_entry"]]
    base = 0 if program["version"] >= 5 else 1
    for low, _ in ranges:
        yield low, None
    for entry in program.get_entries():
        state = entry.state
        if state is None or not any(low <= state.address < high for low, high in ranges):
            continue
        ours = names[state.file - base] == source.name and state.line
        yield state.address, numbers[state.line] if ours else None


def _completed(owners: list[int | None], calls: int) -> list[int]:
    """Owners in the order of addresses, with code of no line given to the call around it.

    Clang forgets the lines of loops that it unrolls. Code between two calls belongs to the one between them that has no
    other code; to none (0) where there are several such; to the first of the two where there is no such.
    """
    found, before = [], 0
    for place, owner in enumerate(owners):
        if owner is not None:
            before = owner or before
            found.append(owner)
            continue
        after = next((later for later in owners[place:] if later is not None), 0)
        between = [call for call in range(before + 1, after or calls + 1) if call not in owners]
        found.append((between or [before])[0] if len(between) < 2 else 0)
    return found


def _claim(owners: dict[int, int | None], low: int, high: int, number: int) -> None:
    """Give a range of addresses to a call; what follows it stays whose it was."""
    starts = sorted(owners)
    after = owners[starts[bisect_right(starts, high) - 1]]
    for start in starts:
        if low <= start < high:
            del owners[start]
    owners[low] = number
    owners[high] = after
