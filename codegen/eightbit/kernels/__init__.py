# SPDX-License-Identifier: Apache-2.0
"""The kernels there are. The folders are the registry: kernels/<isa>/<op>[_<variant>]_s8.py defines KERNEL."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.kernels.kernel import Kernel


@cache
def of_isa(isa: str) -> dict[str, tuple[Kernel, ...]]:
    """The kernels of one ISA folder by operator: variants first, by name, then the one for all calls."""
    package = importlib.import_module(f"{__name__}.{isa}")
    names = [info.name for info in pkgutil.iter_modules(package.__path__)]
    kernels: list[Kernel] = [importlib.import_module(f"{package.__name__}.{name}").KERNEL for name in names]
    found: dict[str, tuple[Kernel, ...]] = {}
    for kernel in sorted(kernels, key=lambda item: (not item.variant, item.file)):
        found[kernel.op] = (*found.get(kernel.op, ()), kernel)
    return found
