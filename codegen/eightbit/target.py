# SPDX-License-Identifier: Apache-2.0
"""A target is one flat TOML file in targets/: its ISA folders, and the memories it has, if it is a board."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

from eightbit import resources
from eightbit.errors import InputError, reason


@dataclass(frozen=True)
class Target:
    """`isa`: kernel folders from most special to `ref`. Memories in bytes; None: a core has no limit of its own."""

    name: str
    summary: str
    isa: tuple[str, ...]
    ram_bytes: int | None = None
    flash_bytes: int | None = None


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
            hint="`eightbit targets` says what each is; a new one is one file in targets/",
        )
    return read(resources.targets() / f"{name}.toml")


def read(path: Path) -> Target:
    """A target file, its keys and types checked."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _broken(path, reason(error)) from error
    hints = {item.name: get_type_hints(Target)[item.name] for item in fields(Target)}
    required = {"summary", "isa"}
    allowed = set(hints) - {"name"}
    if not required <= set(table) <= allowed:
        raise _broken(path, f"its keys are {sorted(table)}, needed {sorted(required)}, allowed {sorted(allowed)}")
    for key, value in table.items():
        if not _fits(value, hints[key]):
            raise _broken(path, f"{key} = {value!r} is not {_kind(hints[key])}")
    return Target(**{**table, "name": path.stem, "isa": tuple(table["isa"])})


def _fits(value: Any, hint: Any) -> bool:
    if hint == tuple[str, ...]:
        return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    kinds = get_args(hint) or (hint,)
    return type(value) in kinds


def _kind(hint: Any) -> str:
    if hint == tuple[str, ...]:
        return "a list of strings"
    return " or ".join(kind.__name__ for kind in (get_args(hint) or (hint,)) if kind is not NoneType)


def _broken(path: Path, why: str) -> InputError:
    return InputError("cannot use the target file", where=str(path), why=why, hint="see targets/generic.toml")
