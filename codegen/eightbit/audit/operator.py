# SPDX-License-Identifier: Apache-2.0
"""What the auditor knows of an operator; one file each in `ops/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from eightbit.audit.intervals import Derived, Interval
from eightbit.audit.model import Call, Ledger, Program, Tensor

Facts = Iterator[tuple[bool, str]]  # (holds, what is wrong otherwise)
MULTIPLIERS, TABLES = "multipliers and shifts", "table entries"  # kinds of facts
WINDOW = "in_h in_w out_w kh kw stride_y stride_x dil_y dil_x pad_top pad_left"
CLAMP = "act_min act_max"
REQUANT = f"zp_in acc_lshift out_rshift {CLAMP} out_c"


def nothing(call: Call, ins: list[Tensor], out: Tensor, ledger: Ledger) -> None:
    """Of an operator none of whose numbers follows from scales."""


@dataclass(frozen=True)
class Operator:
    """An operator, said a second time.

    `params` are names, and `limits` the ends of some; `facts` are about shapes and indices. `intervals` are what the
    inputs' allow. `numbers` compares with the ledger what follows from the scales of inputs and output; what all
    requantisations and clamps share is checked for every operator that has such parameters.
    """

    params: str
    facts: Callable[[Call, list[Tensor], Tensor], Facts]
    intervals: Callable[[Call, Program, list[Interval]], Derived]
    numbers: Callable[[Call, list[Tensor], Tensor, Ledger], None] = nothing
    consts: Mapping[str, str] = field(default_factory=dict)  # element type by role
    limits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    inputs: int = 1
    planes: bool = False  # may read a tensor stored as planes
    same_scale: bool = False  # input and output share scale and zero point
    reduces: bool = False  # a launch takes input rows, not output rows


def same_shape(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    """Of an operator that makes each element from those at its place, row by row."""
    same = all(tensor.shape == out.shape for tensor in ins)
    yield same and out.shape[1:] == (call.number("w"), call.number("ch")), "params and shapes differ"


def table_of_256(call: Call, ins: list[Tensor], out: Tensor) -> Facts:
    """The same, with a table."""
    yield from same_shape(call, ins, out)
    yield call.consts["table"].shape == (256,), "its table has not 256 entries"
