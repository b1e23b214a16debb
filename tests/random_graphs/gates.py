# SPDX-License-Identifier: Apache-2.0
"""Activations that are products of a value and a function of it."""

from __future__ import annotations

from .chain import Chain
from .operators import Operator, elementwise


def known(c: Chain) -> bool:
    return c.rank >= 1 and c.opset >= 14


OPERATORS = {
    "HardSwish": Operator(elementwise("HardSwish"), known, 0.8, {"Conv": 3, "Gemm": 2, "BatchNormalization": 3})
}
