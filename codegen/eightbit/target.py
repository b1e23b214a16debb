# SPDX-License-Identifier: Apache-2.0
"""A target is one flat TOML file in targets/: its ISA folders, its memories, if it is a board, and its emulator."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from eightbit import machine, resources
from eightbit.errors import InputError, closest, reason


@dataclass(frozen=True)
class Target:
    """`isa`: kernel folders from most special to `ref`. Memories in bytes; None: a core has no limit of its own.

    `wide_multiply`: the core multiplies 32 by 32 bits to 64. Without, kernels do it by products of 16 bits.

    The rest says how `eightbit verify --target` builds and runs programs; a target without `board` is not emulated.
    `cflags` and `ldflags` hold what the architecture needs: optimisation, language and warnings come from the command.
    `{elf}`, `{board}` (its folder) and `{link}` (its linker script, rendered) stand in `ldflags` and `run`.
    """

    name: str
    summary: str
    isa: tuple[str, ...]
    wide_multiply: bool = True
    ram_bytes: int | None = None
    flash_bytes: int | None = None
    cc: str = ""
    cflags: tuple[str, ...] = ()
    std: str = "c99"
    board: str = ""  # folder of targets/boards
    board_rom: tuple[int, ...] = ()  # origin and bytes of the memories of the emulated board
    board_ram: tuple[int, ...] = ()
    ld: str = ""  # "": cc links
    ldflags: tuple[str, ...] = ()
    run: tuple[str, ...] = ()  # the emulator's command line
    tools: tuple[str, ...] = ()  # programs that `run` starts in turn
    machine: str = ""  # one of machine.NAMES: what the headers of programs for it say
    count: str = ""  # how instructions are counted, one of COUNTS
    packages: tuple[str, ...] = ()  # Debian packages that bring all of this
    ci: bool = False

    @property
    def emulated(self) -> bool:
        return self.board != ""

    @property
    def runs(self) -> bool:
        """In an emulator, or, where it is any machine, on this one; all others are portable by construction only."""
        return self.emulated or self.ci


COUNTS = ("", "plugin", "simavr", "mspdebug")
STANDARDS = ("c99", "gnu99")
LISTS: dict[Any, type] = {tuple[str, ...]: str, tuple[int, ...]: int}
PLAIN = {"summary", "isa", "wide_multiply", "ram_bytes", "flash_bytes", "ci"}  # of targets that are not
EMULATED = ("cc", "board", "run", "machine", "packages")  # keys that go together


def names() -> list[str]:
    """All targets there are, sorted."""
    return sorted(path.stem for path in resources.targets().glob("*.toml"))


def load(name: str) -> Target:
    """The target called `name`."""
    if name not in names():
        raise InputError(
            f"there is no target {name!r}",
            where="--target",
            why=f"the targets are {', '.join(names())}",
            hint=f"{_meant(name)}`eightbit targets` says what each is for; a new one is one file in targets/",
        )
    return _once(resources.targets() / f"{name}.toml")


@cache  # `check` asks for each several times, and reading one takes longer than a small model does
def _once(path: Path) -> Target:
    return read(path)


def _meant(name: str) -> str:
    """What a wrong name stands for: the start of a target's name, a chip that a summary names, or a misspelling."""
    starts = [known for known in names() if name and known.startswith(name.lower())]
    chips = [known for known in names() if len(name) > 2 and name.lower() in _summary(known).lower()]
    found = starts or chips
    return f"did you mean {' or '.join(map(repr, found))}? " if found else closest(name, names())


def _summary(name: str) -> str:
    return _once(resources.targets() / f"{name}.toml").summary


def read(path: Path) -> Target:
    """A target file, its keys and types checked."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _broken(path, reason(error)) from error
    types = get_type_hints(Target)  # a slow function
    hints = {item.name: types[item.name] for item in fields(Target)}
    required = {"summary", "isa"}
    allowed = set(hints) - {"name"}
    if not required <= set(table) <= allowed:
        raise _broken(path, f"its keys are {sorted(table)}, needed {sorted(required)}, allowed {sorted(allowed)}")
    for key, value in table.items():
        if not _fits(value, hints[key]):
            raise _broken(path, f"{key} = {value!r} is not {_kind(hints[key])}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    found = Target(**values, name=path.stem)
    finding = _finding(found, table)
    if finding:
        raise _broken(path, finding)
    return found


def _finding(found: Target, table: Mapping[str, Any]) -> str:
    """What is wrong with values that have the right types."""
    missing = [key for key in EMULATED if key not in table]
    if missing and set(table) - PLAIN:
        return f"a target that is emulated needs {', '.join(missing)} too"
    choices: dict[str, Sequence[str]] = {"std": STANDARDS, "count": COUNTS}
    if found.emulated:
        boards = sorted(path.name for path in resources.boards().iterdir() if path.is_dir())
        choices |= {"machine": machine.NAMES, "board": boards}
    for key, allowed in choices.items():
        if getattr(found, key) not in allowed:
            return f"{key} = {getattr(found, key)!r} is none of {', '.join(filter(None, allowed))}"
    for key in ("board_rom", "board_ram"):
        if len(getattr(found, key)) not in (0, 2):
            return f"{key} = {list(getattr(found, key))} is not an origin and a size"
    return ""


def _fits(value: Any, hint: Any) -> bool:
    if hint in LISTS:
        return isinstance(value, list) and bool(value) and all(type(item) is LISTS[hint] for item in value)
    kinds = get_args(hint) or (hint,)
    return type(value) in kinds


def _kind(hint: Any) -> str:
    if hint in LISTS:
        return "a list of strings" if LISTS[hint] is str else "a list of ints"
    return " or ".join(kind.__name__ for kind in (get_args(hint) or (hint,)) if kind is not NoneType)


def _broken(path: Path, why: str) -> InputError:
    return InputError("cannot use the target file", where=str(path), why=why, hint="see targets/generic.toml")
