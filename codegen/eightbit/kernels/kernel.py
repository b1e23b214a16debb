# SPDX-License-Identifier: Apache-2.0
"""A kernel's facts: when it applies, how it packs constants, what it needs (the twin of a C file).

`kernels/<isa>/<op>_<type>.py` defines `KERNEL`; `runtime_c/kernels/<isa>/<op>_<type>.c` is the code. A kernel for
some calls of the operator only is `<op>_<variant>_<type>`, beside the general one of its folder or alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from eightbit.ir.program import Call, Tensor

Arrays = Mapping[str, NDArray[Any]]


def accept_all(call: Call, inputs: tuple[Tensor, ...]) -> str:
    return ""


def as_they_are(call: Call) -> Arrays:
    return call.consts


@dataclass(frozen=True)
class Kernel:
    """Facts of one kernel. `accepts` answers "" or the reason why not.

    `pack` gives the constant streams in the order of the C struct `weights_type`; one stream without a struct
    is passed as the array itself, none as a null pointer. Scratch and state are bytes for a call.
    """

    op: str
    isa: str
    variant: str = ""  # which calls of the operator it is for, in a word
    weights_type: str = ""
    accepts: Callable[[Call, tuple[Tensor, ...]], str] = accept_all
    pack: Callable[[Call], Arrays] = as_they_are
    planar: bool = False  # reads inputs stored as planes (CHW)
    flat: bool = False  # needs its whole input, contiguous
    unit: int = 1  # rows that a launch must be a multiple of
    write: str = "pixel"  # what is written before the next input is read: a "pixel", or "tile N": up to N pixels
    reread: bool = False  # reads the inputs of a pixel, or tile, again after writing a channel of it
    scratch: Callable[[Call], int] = lambda call: 0
    state: Callable[[Call], int] = lambda call: 0

    def refusal(self, call: Call, inputs: tuple[Tensor, ...]) -> str:
        """Why this kernel does not make the call; empty if it does."""
        planes = any(tensor.order == "CHW" for tensor in inputs)
        return self.accepts(call, inputs) or ("it does not read planes" if planes and not self.planar else "")

    @property
    def file(self) -> str:
        return "_".join(filter(None, (self.op, self.variant, "s8")))

    @property
    def symbol(self) -> str:
        return f"e8_{self.file}__{self.isa}"
