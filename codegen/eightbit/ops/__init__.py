# SPDX-License-Identifier: Apache-2.0
"""The operators of the fixed-point IR. The folder is the registry: a file that defines OP is an operator."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Call, Program, hull
from eightbit.ir.rescale import Rescale
from eightbit.ops.opdef import OpDef


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


def rescales(program: Program) -> tuple[Rescale, ...]:
    """What every call costs that brings tensors of unequal scales to one, for values within the proven ranges."""
    held = {call.output: hull(call.proof.range) for call in program.calls if call.proof is not None}

    def of(call: Call) -> Rescale | None:
        ranges = [held.get(name, (S8_MIN, S8_MAX)) for name in call.inputs]
        tensors = [program.tensors[name] for name in call.inputs]
        return get(call.op).rescale(call, ranges, tensors, program.tensors[call.output])

    return tuple(found for call in program.calls if (found := of(call)) is not None)
