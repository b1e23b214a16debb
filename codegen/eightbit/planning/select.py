# SPDX-License-Identifier: Apache-2.0
"""Which kernel makes each call: the first of the target's ISA folders whose facts accept it.

For size the folders are asked from the last one on: it is the most general, and one kernel for all shapes takes
less flash than several.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eightbit import kernels, ops
from eightbit.errors import InputError
from eightbit.ir.program import Call, Program
from eightbit.kernels.kernel import Kernel
from eightbit.target import Target


@dataclass(frozen=True)
class Selection:
    """The kernel of every call that has code, by call name.

    `wide_multiply`: they multiply 32 by 32 bits to 64. `compact`: compiled once, if several calls use it.
    """

    kernels: Mapping[str, Kernel]
    wide_multiply: bool
    compact: bool = False

    def text(self) -> str:
        return "".join(f"{call}: {kernel.symbol}\n" for call, kernel in self.kernels.items())


def select(program: Program, target: Target, optimize: str = "speed") -> Selection:
    """Choose kernels; a refused call names every reason."""
    compact = optimize == "size"
    folders = target.isa[::-1] if compact else target.isa
    chosen = {call.name: _choose(program, call, folders) for call in program.calls if ops.get(call.op).has_code}
    return Selection(chosen, target.wide_multiply, compact)


def _choose(program: Program, call: Call, folders: tuple[str, ...]) -> Kernel:
    inputs = tuple(program.tensors[name] for name in call.inputs)
    reasons = []
    for isa in folders:
        for kernel in kernels.of_isa(isa).get(call.op, ()):
            reason = kernel.refusal(call, inputs)
            if not reason:
                return kernel
            reasons.append(f"{kernel.symbol}: {reason}")
    raise InputError(
        f"no kernel for {call.name} ({call.op})",
        where=", ".join(call.origin) or call.name,
        why="; ".join(reasons) or f"none of the folders {', '.join(folders)} has one",
        hint="list `ref` last in the target's isa: it has every operator",
    )
