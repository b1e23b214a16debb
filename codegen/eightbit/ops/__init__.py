# SPDX-License-Identifier: Apache-2.0
"""The operators of the fixed-point IR. The folder is the registry: a file that defines OP is an operator."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.ops.opdef import OpDef
from eightbit.program import Program


@cache
def all_ops() -> dict[str, OpDef]:
    """Every operator by name, sorted."""
    found = {}
    for info in pkgutil.iter_modules(__path__):
        op = getattr(importlib.import_module(f"{__name__}.{info.name}"), "OP", None)
        if isinstance(op, OpDef):
            found[op.name] = op
    return dict(sorted(found.items()))


def get(name: str) -> OpDef:
    """The operator called `name`; KeyError if there is none."""
    return all_ops()[name]


def total_macs(program: Program) -> int:
    """Multiply-accumulates of one inference, padding taps included."""
    return sum(get(c.op).macs(c, program.tensors[c.output].shape) for c in program.calls)
