# SPDX-License-Identifier: Apache-2.0
"""Numbers and arrays as C text."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

CTYPES = {"int8": "e8_s8", "uint8": "e8_u8", "int16": "e8_s16", "int32": "e8_s32", "uint32": "e8_u32"}
WIDTH = 108


def array(name: str, values: NDArray[Any], qualifier: str = "static const", rom: str = " E8_ROM") -> str:
    """A definition of a constant array, wrapped."""
    ctype = CTYPES[str(values.dtype)]
    suffix = "u" if values.dtype.kind == "u" else ""
    body = wrapped([f"{number(value)}{suffix}" for value in values.ravel().tolist()])
    return f"{qualifier} {ctype}{rom} {name}[{values.size}] = {{\n{body}\n}};"


def number(value: int) -> str:
    """An integer constant; the smallest s32 has no literal of its own."""
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def wrapped(items: list[str]) -> str:
    """Comma-separated items in lines of at most WIDTH characters."""
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > WIDTH:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([*lines, line]).rstrip(",")


def thousands(value: int) -> str:
    """12 345 678: readable in a comment."""
    return f"{value:,}".replace(",", " ")


def float_literal(value: float) -> str:
    """A float32 value as a C literal that reads back as the same bits."""
    text = f"{value:.9g}"
    return f"{text}f" if any(c in text for c in ".e") else f"{text}.0f"
