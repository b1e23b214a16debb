# SPDX-License-Identifier: Apache-2.0
"""The files of runtime_c that a build takes along, and the check that they are all of one version."""

from __future__ import annotations

import re
from functools import cache

from eightbit import resources
from eightbit.planning.select import Selection

HEADERS = ("e8_types.h", "e8_math.h", "e8_rows.h")  # of the templates; others come with the kernels that include them
INCLUDE_LINE = re.compile(r'^#include "[^"]*"\n', re.MULTILINE)
INCLUDED = re.compile(r'^#include "(\w+\.h)"', re.MULTILINE)


def runtime_files(selection: Selection) -> dict[str, str]:
    """The kernels that the selection uses, as .inc since out/ has just two .c files, and every header they include."""
    runtime = resources.runtime()
    include = runtime / "include"
    files = {
        inc_name(isa, file): (runtime / "kernels" / isa / f"{file}.c").read_text(encoding="utf-8")
        for isa, file in sorted({(k.isa, k.file) for k in selection.kernels.values()})
    }
    needed = [*HEADERS, *(header for text in files.values() for header in INCLUDED.findall(text))]
    while needed:
        header = needed.pop()
        if header not in files:
            narrow = include / "narrow" / header  # another definition of the same functions
            path = include / header if selection.wide_multiply or not narrow.is_file() else narrow
            files[header] = path.read_text(encoding="utf-8")
            needed += INCLUDED.findall(files[header])
    return files


def inc_name(isa: str, file: str) -> str:
    return f"e8_{file}__{isa}.inc"


def versioned(file: str, text: str) -> str:
    """C that refuses to be compiled with the e8_types.h of another version: one stale file in a folder is enough.

    The check stands after the last #include, or after the first comment: whoever includes that has e8_types.h.
    """
    if not file.endswith((".c", ".h", ".inc")) or file == "e8_types.h":
        return text
    includes = [found.end() for found in INCLUDE_LINE.finditer(text)]
    at = includes[-1] if includes else text.index("*/\n", text.index("*/\n") + 1) + 3
    version = runtime_version()
    check = f"""
#if E8_RUNTIME_VERSION != {version}
#error "{file} and e8_types.h are from different versions of eightbit: keep all files of one build together"
#endif
"""
    return text[:at] + check + text[at:]


@cache
def runtime_version() -> str:
    """The value of E8_RUNTIME_VERSION in e8_types.h."""
    text = (resources.runtime() / "include" / "e8_types.h").read_text(encoding="utf-8")
    return next(line.split()[2] for line in text.splitlines() if line.startswith("#define E8_RUNTIME_VERSION"))
