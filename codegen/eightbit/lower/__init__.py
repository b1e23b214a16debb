# SPDX-License-Identifier: Apache-2.0
"""ONNX operators -> fixed-point calls. The folder is the registry: every file's RULES, by ONNX operator."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from eightbit.graph import Graph, Node
from eightbit.lower.rule import Rule

__all__ = ["Rule", "all_rules", "refusals", "rule"]


@cache
def all_rules() -> dict[str, Rule]:
    """Every supported ONNX operator, sorted by name."""
    found: dict[str, Rule] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        found |= getattr(module, "RULES", {})
    return dict(sorted(found.items()))


def rule(node: Node) -> Rule:
    """The rule of a supported node."""
    return all_rules()[node.op_type]


def refusals(graph: Graph) -> list[tuple[str, str]]:
    """(where, why) of every obstacle in a graph, all at once."""
    found = [("model output " + repr(v), "it does not depend on an input") for v in _constant_outputs(graph)]
    for node in graph.nodes:
        found += [(node.label, reason) for reason in _node_refusals(graph, node)]
    return found


def _constant_outputs(graph: Graph) -> list[str]:
    return [v for v in graph.outputs if v not in graph.producers and v not in graph.inputs]


def _node_refusals(graph: Graph, node: Node) -> list[str]:
    if node.domain or node.op_type not in all_rules():
        name = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        return [f"operator {name} is not supported"]
    unknown = [v for v in (*node.inputs, node.outputs[0]) if v and v not in graph.consts and v not in graph.shapes]
    if unknown:
        return [f"the shape of {unknown[0]!r} is not known at compile time"]
    if any(node.outputs[1:]):
        return [f"its output {node.outputs[1]!r} is not supported, only the first one is"]
    empty = [v for v in (*node.inputs, node.outputs[0]) if 0 in graph.shapes.get(v, ())]
    if empty:
        return [f"{empty[0]!r} has no elements"]
    reason = all_rules()[node.op_type].refusal(graph, node)
    return [reason] if reason else []
