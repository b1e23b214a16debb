# SPDX-License-Identifier: Apache-2.0
"""Relu and Clip on their own."""

from __future__ import annotations

from eightbit.audit.intervals import Derived, Interval, clamped
from eightbit.audit.model import Call, Program
from eightbit.audit.operator import CLAMP, Operator, same_shape


def intervals(call: Call, program: Program, ins: list[Interval]) -> Derived:
    return Derived(None, None, clamped(call, ins[0]))


OP = Operator(params=f"w ch {CLAMP}", facts=same_shape, intervals=intervals, same_scale=True)
