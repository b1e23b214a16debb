# SPDX-License-Identifier: Apache-2.0
"""The kernels that the auditor knows. The folder is the registry: every file's LAYOUTS.

The kernels of `ref`, one for each operator, store what the program says and need no scratch; no file speaks of them.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.audit.kernels.layout import Arrays, Layout
from eightbit.audit.model import Call, Plan, Program


@cache
def _layouts() -> dict[str, Layout]:
    """Every layout by the symbol of its kernel."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {layout.symbol: layout for module in modules for layout in getattr(module, "LAYOUTS", ())}


def layout(symbol: str, call: Call) -> Layout | None:
    """What is known of a kernel that makes a call; None: it is no kernel of its operator, or not known here."""
    if symbol == f"e8_{call.op}_s8__ref":
        return Layout(symbol, call.op)
    found = _layouts().get(symbol)
    return found if found is not None and found.op == call.op else None


def stored(symbol: str, call: Call) -> Arrays | None:
    """The arrays of a call in the C, by role; None: how this kernel stores them is not known here."""
    found = layout(symbol, call)
    return None if found is None else found.order(call)


def weight_bytes(program: Program, plan: Plan) -> int:
    """Bytes of all constant arrays as the planned kernels store them."""
    arrays = (stored(step.kernel, call) for step, call in zip(plan.steps, program.coded, strict=True))
    return sum(array.nbytes for found in arrays if found is not None for array in found.values())
