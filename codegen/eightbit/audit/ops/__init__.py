# SPDX-License-Identifier: Apache-2.0
"""The operators that the auditor knows. The folder is the registry: <op>.py defines OP."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.audit.operator import Operator


@cache
def all_ops() -> dict[str, Operator]:
    """Every operator by name."""
    names = [info.name for info in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}").OP for name in names}
