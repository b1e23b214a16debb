# SPDX-License-Identifier: Apache-2.0
"""What the compiler knows of one ONNX operator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from eightbit.frontend.graph import Graph, Node
from eightbit.lower.builder import Builder


def never(graph: Graph, node: Node) -> str:
    return ""


def unlimited(graph: Graph, node: Node) -> tuple[float, float]:
    return -math.inf, math.inf


def always(graph: Graph, node: Node) -> bool:
    return True


def no(graph: Graph, node: Node) -> bool:
    return False


@dataclass(frozen=True)
class Rule:
    """`lower` appends calls; `refusal` answers "" or why a node cannot be lowered, before samples are read.

    `keeps_scale`: the output's values are some of the input's, or clamped: they share scale and zero point.
    `channel_axis`: for linear operators, the output axis along which a bias is added. `useful_range`: inputs outside
    of it give results that no s8 tells from its ends. `passes_factors`: a positive factor on one channel (axis 1, or
    the run that a reshape makes of it) of every input comes out as that factor on the channel of the output.
    """

    lower: Callable[[Builder, Node], None]
    refusal: Callable[[Graph, Node], str] = never
    keeps_scale: bool = False
    channel_axis: Callable[[Graph, Node], int] | None = None
    useful_range: Callable[[Graph, Node], tuple[float, float]] = unlimited
    passes_factors: Callable[[Graph, Node], bool] = no
