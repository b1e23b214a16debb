# SPDX-License-Identifier: Apache-2.0
"""Rewrite of the float graph: a HardSwish that an exporter spelled out becomes one again.

Example: x -> Add 3 -> Clip 0..6, times x, Div by 6; or x times HardSigmoid of x.
"""

from __future__ import annotations

import math

import onnx_ir as ir

from eightbit.frontend.graph import ONNX
from eightbit.frontend.rewrites.edit import array_of

FIRST_OPSET = 14  # that has HardSwish
NEAR = 1e-6  # of constants that are float32, and 1/6 perhaps a product of two


def restore_hard_swish(model: ir.Model) -> None:
    """Let every product that is a HardSwish be one. What was spelled out stays for who else reads it."""
    if model.opset_imports.get("", 0) < FIRST_OPSET:
        return
    for node in list(model.graph):
        x = _gated(node)
        if x is not None:
            node.op_type = "HardSwish"
            node.resize_inputs(1)
            node.replace_input_with(0, x)


def _gated(node: ir.Node) -> ir.Value | None:
    """The x of a product that is the HardSwish of x."""
    values, number = _factors(node)
    if len(values) == 2:
        for x, gate in (values, values[::-1]):
            height = _height(gate, x)
            if height is not None and math.isclose(height * number, 1.0, rel_tol=NEAR):
                return x
    return None


def _factors(node: ir.Node | None) -> tuple[list[ir.Value], float]:
    """The values whose product a node makes, and the product of the numbers among its factors."""
    if node is None or not _is(node, "Mul", "Div"):
        return [], 1.0
    values: list[ir.Value] = []
    number = 1.0
    for position, value in enumerate(node.inputs):
        given = _number(value)
        inverse = node.op_type == "Div" and position == 1
        if given is not None and (given or not inverse):
            number *= 1 / given if inverse else given
        elif value is None or inverse:
            return [], 1.0
        else:
            more, times = _factors(value.producer())
            values += more or [value]
            number *= times
    return values, number


def _height(gate: ir.Value, x: ir.Value) -> float | None:
    """How high a value is that rises from 0 at x = -3 to its height at x = 3, and stays; None: it does not."""
    node = gate.producer()
    if node is None:
        return None
    if _is(node, "HardSigmoid") and node.inputs[0] is x:
        slope, middle = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
        return 1.0 if math.isclose(slope, 1 / 6, rel_tol=NEAR) and middle == 0.5 else None
    if not _is(node, "Clip") or [_number(bound) for bound in node.inputs[1:]] != [0.0, 6.0]:
        return None
    shifted = node.inputs[0].producer() if node.inputs[0] is not None else None
    if shifted is None or not _is(shifted, "Add"):
        return None
    sums = (shifted.inputs, shifted.inputs[::-1])
    return 6.0 if any(first is x and _number(second) == 3.0 for first, second in sums) else None


def _is(node: ir.Node, *operators: str) -> bool:
    return node.domain in ONNX and node.op_type in operators


def _number(value: ir.Value | None) -> float | None:
    """The one number that a constant holds; None where it is none, or more."""
    if value is None or value.const_value is None or value.const_value.size != 1:
        return None
    return float(array_of(value).reshape(()))
