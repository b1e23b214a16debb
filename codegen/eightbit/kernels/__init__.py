# SPDX-License-Identifier: Apache-2.0
"""The kernels there are. The folders are the registry: kernels/<isa>/<op>_s8.py defines KERNEL."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.kernels.kernel import Kernel


@cache
def of_isa(isa: str) -> dict[str, tuple[Kernel, ...]]:
    """The kernels of one ISA folder by operator, in the order of their file names."""
    package = importlib.import_module(f"{__name__}.{isa}")
    found: dict[str, tuple[Kernel, ...]] = {}
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        kernel = importlib.import_module(f"{package.__name__}.{info.name}").KERNEL
        found[kernel.op] = (*found.get(kernel.op, ()), kernel)
    return found
