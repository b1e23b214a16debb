# SPDX-License-Identifier: Apache-2.0
"""Graph + calibration -> Program.

Example: Conv with weights 0.5 and ranges [0, 1] becomes conv with s8 weights, a 15-bit multiplier and shifts.
"""

from __future__ import annotations

from eightbit import lower
from eightbit.frontend.graph import Graph
from eightbit.ir.program import Program
from eightbit.lower.builder import Builder
from eightbit.ptq.calibration import Calibration
from eightbit.ptq.equalize import equalized


def quantize(graph: Graph, calibration: Calibration) -> Program:
    """Lower every node with the calibration's gains, ranges, roundings and biases."""
    return lowered(graph, calibration).finish()


def lowered(graph: Graph, calibration: Calibration) -> Builder:
    """The calls of every node, and the weights before they were rounded."""
    scaled = equalized(graph, calibration.gains)
    builder = Builder(scaled, calibration.ranges, calibration.biases, calibration.roundings)
    for node in scaled.nodes:
        lower.rule(node).lower(builder, node)
    return builder
