# SPDX-License-Identifier: Apache-2.0
"""Inputs of small integers that become float before anything calculates with them: the float graph starts there.

Example: uint8 x -> Transpose -> Cast to float -> Conv becomes float x -> Transpose -> Conv, x known to hold 0..255.
"""

from __future__ import annotations

import onnx_ir as ir

from eightbit.frontend.graph import INTEGERS, ONNX

MOVES = ("Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")  # the same in every type


def make_float(model: ir.Model) -> dict[str, str]:
    """Let such inputs be float, and drop their Casts; returns the type that each had, by name."""
    found = {}
    for value in model.graph.inputs:
        kind = value.dtype.name if value.dtype is not None else ""
        if kind not in INTEGERS or value.name is None:
            continue
        moved = [value]
        casts: list[ir.Node] = []
        if all(_follow(x, moved, casts) for x in moved):  # grows as it goes
            for x in moved:
                x.dtype = ir.DataType.FLOAT
            for cast in casts:
                cast.op_type = "Identity"
                cast.attributes.clear()
            found[value.name] = kind
    return found


def _follow(value: ir.Value, moved: list[ir.Value], casts: list[ir.Node]) -> bool:
    """Note what reads a value of integers; False if that is neither a Cast to float nor moves elements only."""
    if value.is_graph_output():
        return False
    for node, position in value.uses():
        if node.domain not in ONNX or position != 0:
            return False
        if node.op_type == "Cast" and node.attributes.get_int("to", 0) == ir.DataType.FLOAT:
            casts.append(node)
        elif node.op_type in MOVES:
            moved.append(node.outputs[0])
        else:
            return False
    return True
