# SPDX-License-Identifier: Apache-2.0
"""eightbit: ONNX networks to fixed-point C with the same bits on every processor."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from eightbit.errors import BudgetError, EightbitError, InputError

if TYPE_CHECKING:
    from eightbit.api import compile, evaluate  # noqa: A004 - the name users expect
    from eightbit.build import Build
    from eightbit.execution.compare import Difference, VerifyResult
else:
    _HOMES = {
        "Build": "build",
        "Difference": "execution.compare",
        "VerifyResult": "execution.compare",
        "compile": "api",
        "evaluate": "api",
    }

    def __getattr__(name: str) -> Any:
        """What needs NumPy and onnx is loaded when it is asked for: the command line can be interrupted by then."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_import_module(f"{__name__}.{_HOMES[name]}"), name)


__all__ = [
    "BudgetError",
    "Build",
    "Difference",
    "EightbitError",
    "InputError",
    "VerifyResult",
    "compile",
    "evaluate",
]
