# SPDX-License-Identifier: Apache-2.0
"""What the compiler knows of one ONNX operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from eightbit.graph import Graph, Node
from eightbit.lower.builder import Builder


def never(graph: Graph, node: Node) -> str:
    return ""


@dataclass(frozen=True)
class Rule:
    """`lower` appends calls; `refusal` answers "" or why a node cannot be lowered, before samples are read.

    `keeps_scale`: the output's values are some of the input's, or clamped: they share scale and zero point.
    `fixed_scale`: the operator defines its output scale. `channel_axis`: for linear operators, the output axis
    along which a bias is added. `useful_range`: inputs outside of it give results no s8 can tell apart.
    """

    lower: Callable[[Builder, Node], None]
    refusal: Callable[[Graph, Node], str] = never
    keeps_scale: bool = False
    fixed_scale: bool = False
    channel_axis: Callable[[Graph, Node], int] | None = None
    useful_range: tuple[float, float] = (-math.inf, math.inf)
