# SPDX-License-Identifier: Apache-2.0
"""Names from ONNX files as C identifiers, comments and strings: anything goes in, only plain ASCII comes out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

# Headers a model of this name would hide from `#include <...>` once its folder is on the include path: those of C
# and C++, and those that they include themselves.
C_HEADERS = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math memory new setjmp signal stdalign stdarg"
    " stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar version wchar wctype"
    " alloca endian features libintl malloc pthread sched strings syslimits unistd"
    .split(" ")
)  # fmt: skip
LONGEST = 40


def identifier(text: str) -> str:
    """A C identifier in lower case that resembles `text`; never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    clean = re.sub(r"[^0-9a-zA-Z]+", "_", plain).strip("_").lower()[:LONGEST].strip("_")
    if not clean:
        return "x"
    return clean if clean[0].isalpha() else f"x{clean}"


def model_identifier(text: str) -> str:
    """The prefix of all symbols and files of a model: `<name>.h` must hide no other header."""
    name = identifier(text)
    return f"{name}_net" if name in C_HEADERS or name.startswith("e8") else name


def unique_identifiers(texts: Sequence[str]) -> list[str]:
    """An identifier per text; texts that become equal are numbered apart."""
    found: list[str] = []
    for text in texts:
        stem = name = identifier(text)
        number = 2
        while name in found:
            name, number = f"{stem}_{number}", number + 1
        found.append(name)
    return found


def port_identifiers(kind: str, texts: Sequence[str]) -> list[str]:
    """What the inputs or outputs of a model are called in C: a single one `input`, several `input_<name>`."""
    return [kind] if len(texts) == 1 else [f"{kind}_{name}" for name in unique_identifiers(texts)]


def comment(text: str) -> str:
    """Text that can stand inside a C comment or string: printable ASCII, no comment ends, trigraphs or escapes."""
    safe = "".join(c if " " <= c <= "~" and c not in '\\"' else "?" for c in text)
    return re.sub(r"(?<=\*)(?=/)|(?<=/)(?=\*)|(?<=\?)(?=\?)", " ", safe)[:200]
