# SPDX-License-Identifier: Apache-2.0
"""The C side of Params: the struct of an operator's header, and the initialiser of one call."""

from __future__ import annotations

from typing import Any

from eightbit.ir.cfields import c_fields
from eightbit.ops.opdef import OpDef


def header_name(op: OpDef) -> str:
    return f"e8_{op.name}.h"


def struct_name(op: OpDef) -> str:
    return f"e8_{op.name}_s8_params"


def header(op: OpDef) -> str:
    """The text of runtime_c/include/e8_<op>.h."""
    guard = header_name(op).upper().replace(".", "_")
    members = [_member(*field) for field in c_fields(op.Params)]
    lines = [
        "/* SPDX-License-Identifier: 0BSD */",
        f"/* Generated from codegen/eightbit/ops/{op.name}.py, which says what the members mean:",
        f" * {op.bits} */",
        f"#ifndef {guard}",
        f"#define {guard}",
        "",
        '#include "e8_types.h"',
        "",
        "typedef struct {",
        *members,
        f"}} {struct_name(op)};",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _member(name: str, ctype: str, length: int) -> str:
    return f"    {ctype} {name}[{length}];" if length else f"    {ctype} {name};"


def initialiser(params: Any) -> str:
    """What stands between the braces of a C99 initialiser: `.in_h = 49, .extent = { 1, 1, 2 }`."""
    parts = []
    for name, _, length in c_fields(type(params)):
        value = getattr(params, name)
        text = f"{{ {', '.join(str(int(v)) for v in value)} }}" if length else str(int(value))
        parts.append(f".{name} = {text}")
    return ", ".join(parts)
