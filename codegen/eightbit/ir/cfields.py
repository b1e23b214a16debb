# SPDX-License-Identifier: Apache-2.0
"""How fields of Params say which C type they become, and whether their values fit it."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Any, get_type_hints

S16 = Annotated[int, "e8_s16"]
S32 = Annotated[int, "e8_s32"]
S16x6 = Annotated[tuple[int, ...], "e8_s16", 6]
S32x6 = Annotated[tuple[int, ...], "e8_s32", 6]
LIMITS = {"e8_s16": 2**15 - 1, "e8_s32": 2**31 - 1}


def c_fields(params: type[Any]) -> list[tuple[str, str, int]]:
    """(name, C type, array length or 0) of every Params field that C sees, in order."""
    hints = get_type_hints(params, include_extras=True)
    found = []
    for item in fields(params):
        meta = getattr(hints[item.name], "__metadata__", ())
        if meta:
            found.append((item.name, meta[0], meta[1] if len(meta) > 1 else 0))
    return found


def field_findings(params: Any) -> list[str]:
    """Params values that do not fit the C type of their field."""
    found = []
    for name, ctype, _ in c_fields(type(params)):
        value = getattr(params, name)
        values = value if isinstance(value, tuple) else (value,)
        if any(not -LIMITS[ctype] - 1 <= v <= LIMITS[ctype] for v in values):
            found.append(f"{name} = {value} does not fit {ctype}")
    return found
