# SPDX-License-Identifier: Apache-2.0
"""Programs as a user writes them: a main() of its own around generated C, on the host or an emulated board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eightbit import resources, target
from eightbit.emission import ctext
from eightbit.execution import firmware
from emulators import HOST, needs_tools

BOARDS = resources.boards()
PRINTING = """
static void put_number(long n) { if (n > 9) put_number(n / 10); e8_board_put((char)('0' + n % 10)); }
static void put(char name, long n) { e8_board_put(name); put_number(n); e8_board_put('\\n'); }
"""


def chip(name: str) -> target.Target:
    if name == "host":
        return HOST
    needs_tools(name)
    return target.load(name)


def firmware_of(
    work: Path,
    on: target.Target,
    folders: Sequence[Path],
    main: str,
    vectors: Mapping[str, NDArray[np.int8] | NDArray[np.uint8]],
    more: Sequence[Path] = (),
    cflags: Sequence[str] = ("-O2",),
    include: Path = BOARDS,
) -> Path:
    """A program of the models in `folders`, each in a folder of its name, a main() and other files.

    main() finds `vectors` as constant arrays by their names in vectors.inc, and how many there are as VECTORS.
    """
    work.mkdir()
    arrays = [ctext.array(name, values.reshape(-1)) for name, values in vectors.items()]
    count = len(next(iter(vectors.values())))
    (work / "vectors.inc").write_text("\n".join([f"#define VECTORS {count}", *arrays, ""]))
    (work / "main.c").write_text(main)
    base = firmware.compiler(on, cflags)
    objects = firmware.board_objects(work, on, ("-O2",))
    for folder in folders:
        objects.append(firmware.compiled((*base, "-I", folder), folder / f"{folder.name}.c", work / f"{folder.name}.o"))
    both = [word for folder in (*folders, work, BOARDS, include) for word in ("-I", folder)]
    for source in (work / "main.c", *more):
        objects.append(firmware.compiled((*base, *both), source, work / f"own_{source.stem}.o"))
    return firmware.program_file(work, on, objects)
