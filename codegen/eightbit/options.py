# SPDX-License-Identifier: Apache-2.0
"""How the C of a build is made: what the user may choose, and no choice changes a bit of a result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from eightbit.errors import InputError

IO = ("arena", "caller")
OPTIMIZE = ("speed", "size")
PACKAGE = ("cmake", "arduino")


@dataclass(frozen=True)
class Options:
    """`io`: inputs and outputs lie in the context's arena, or in buffers of the caller. `optimize`: for speed, or
    for size (the most general kernels of the target, one copy of each). `package`: a folder for CMake, or a library for
    the Arduino IDE and PlatformIO. Raises InputError for anything else.
    """

    target: str = "generic"
    io: str = "arena"
    optimize: str = "speed"
    package: str = "cmake"

    def __post_init__(self) -> None:
        known_values = {"io": IO, "optimize": OPTIMIZE, "package": PACKAGE}
        for option, known in known_values.items():
            value = getattr(self, option)
            if value not in known:
                raise InputError(
                    f"there is no {option} {value!r}",
                    where=f"--{option}",
                    why=f"it is one of {', '.join(known)}",
                    hint=f"leave it out for {known[0]}",
                )

    def json(self) -> dict[str, str]:
        return asdict(self)

    def sources(self, out: Path) -> Path:
        """Where in the build folder `out` the C lies."""
        return out / "src" if self.package == "arduino" else out


def of_manifest(stated: Mapping[str, Any], where: str) -> Options:
    """The options that a manifest states; what it leaves out has its default."""
    names = {item.name for item in fields(Options)}
    if not set(stated) <= names or not all(isinstance(value, str) for value in stated.values()):
        why = f"the options of its manifest are not some of {', '.join(sorted(names))}, each a string"
        raise InputError(
            "not a build of this eightbit", where=where, why=why, hint="compile the model again with this version"
        )
    return Options(**stated)
