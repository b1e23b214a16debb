# SPDX-License-Identifier: Apache-2.0
"""ONNX operators -> fixed-point calls. The folder is the registry: every file's RULES, by ONNX operator."""

from __future__ import annotations

import importlib
import math
import pkgutil
from functools import cache

import numpy as np

from eightbit.frontend.graph import INTEGERS, Graph, Node
from eightbit.frontend.obstacles import Obstacle
from eightbit.frontend.rewrites.integers import MOVES
from eightbit.lower.rule import Rule

__all__ = ["Rule", "all_rules", "refusals", "rule"]

LARGEST = 2.0**60  # of ranges, weights and biases: scales made of their products and sums then fit float32
INPUT = "export the model with a float input of the size that the sensor gives"
OUTPUT = "leave it out of the outputs of the model"
OPERATORS = "`eightbit ops` lists the operators that compile"
DIMENSIONS_MAX = 32  # of a value: NumPy has 64, and some are put in on the way
FIRMWARE = "let the firmware do it with the outputs of what is before"
TAILS = {  # what stands for operators that many models end with
    "ArgMax": "the generated <model>_argmax gives it",
    "LogSoftmax": "the largest of its inputs is the largest of its outputs, and a Softmax instead of it compiles",
}
ELEMENTS_MAX = 1 << 26  # of a value: its lowering takes 8 bytes for each
TOGETHER_MAX = 1 << 28  # of all values: calibration holds those of a sample together


@cache
def families() -> list[tuple[dict[str, Rule], str]]:
    """Rules that belong together, by ONNX operator, and what is to be said of them: one file each, by file name."""
    found = []
    for info in sorted(pkgutil.iter_modules(__path__), key=lambda item: item.name):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if hasattr(module, "RULES"):
            found.append((module.RULES, " ".join((module.__doc__ or "").split("\n\n")[0].split())))
    return found


@cache
def all_rules() -> dict[str, Rule]:
    """Every supported ONNX operator, sorted by name."""
    return dict(sorted((name, rule) for rules, _ in families() for name, rule in rules.items()))


def rule(node: Node) -> Rule:
    """The rule of a supported node."""
    return all_rules()[node.op_type]


def refusals(graph: Graph) -> list[Obstacle]:
    """Every obstacle in a graph, all at once, each where it arises."""
    found = [Obstacle(f"model input {v!r}", why, INPUT) for v in graph.inputs if (why := _input_refusal(graph, v))]
    found += [Obstacle(f"model output {v!r}", why, OUTPUT) for v in graph.outputs if (why := _output_refusal(graph, v))]
    for node in graph.nodes:
        why = _node_refusal(graph, node)
        if why:
            found.append(Obstacle(node.label, why, _hint(graph, node), node.name, operator_name(node)))
    elements = sum(math.prod(shape) for name, shape in graph.shapes.items() if name not in graph.consts)
    if elements > TOGETHER_MAX and not found:
        why = f"its values have {elements} elements in all, more than {TOGETHER_MAX}"
        found.append(Obstacle("the model", why, "make its inputs or its layers smaller"))
    return list(dict.fromkeys(found))


def operator_name(node: Node) -> str:
    """An operator with its domain, where that is not ONNX's own."""
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _supported(node: Node) -> bool:
    return not node.domain and node.op_type in all_rules()


def _hint(graph: Graph, node: Node) -> str:
    if _supported(node):
        return "change this in the model and export it again"
    if _is_tail(graph, node):
        return f"cut it off (onnx.utils.extract_model does); {TAILS.get(node.op_type, FIRMWARE)}; {OPERATORS}"
    return f"build the model without it and export it again; {OPERATORS}"


def _is_tail(graph: Graph, node: Node) -> bool:
    """Does nothing that compiles, moves of elements apart, depend on a node?"""
    found, seen = [node], {id(node)}
    for each in found:  # grows as it goes
        readers = [reader for value in each.outputs if value for reader in graph.readers.get(value, ())]
        if any(_supported(reader) and reader.op_type not in MOVES for reader in readers):
            return False
        found += [reader for reader in readers if id(reader) not in seen]
        seen |= {id(reader) for reader in readers}
    return True


def _input_refusal(graph: Graph, value: str) -> str:
    if graph.types.get(value) in INTEGERS:  # those that could be float are
        kind = graph.types[value].lower()
        return f"{value!r} is of type {kind}; only a Cast to float, and what moves elements before it, may read it"
    return _value_refusal(graph, value)


def _output_refusal(graph: Graph, value: str) -> str:
    if value not in graph.producers and value not in graph.inputs:
        return "it does not depend on an input"
    return "it is listed twice" if graph.outputs.count(value) > 1 else ""


def _node_refusal(graph: Graph, node: Node) -> str:
    if not _supported(node):
        return f"operator {operator_name(node)} is not supported"
    read = [value for value in node.outputs[1:] if value and (value in graph.readers or value in graph.outputs)]
    if read:
        return f"its output {read[0]!r} is not supported, only the first one is"
    live = [value for value in node.inputs if value and value not in graph.consts]
    if not live:
        return "all its inputs are constant"
    if any(_value_refusal(graph, value) for value in live):
        return ""  # told where that value arises
    found = all_rules()[node.op_type]
    wild = _wild_numbers(graph, node) if found.channel_axis else ""
    return _value_refusal(graph, node.outputs[0]) or wild or found.refusal(graph, node)


def _value_refusal(graph: Graph, value: str) -> str:
    shape, dtype = graph.shapes.get(value), graph.types.get(value, "FLOAT")
    if dtype != "FLOAT":
        return f"{value!r} is of type {dtype.lower()}; activations must be float (32 bits)"
    if shape is None:
        return f"the shape of {value!r} is not known at compile time"
    if len(shape) > DIMENSIONS_MAX:
        return f"{value!r} has {len(shape)} dimensions, more than {DIMENSIONS_MAX}"
    if any(size < 1 for size in shape):
        return f"{value!r} {list(shape)} has no elements"
    if math.prod(shape) > ELEMENTS_MAX:
        return f"{value!r} {list(shape)} has more than {ELEMENTS_MAX} elements"
    return ""


def _wild_numbers(graph: Graph, node: Node) -> str:
    """Weights, biases and factors of a linear operator enter its arithmetic: no NaN, infinity or nearly that."""
    found = [repr(v) for v in node.inputs if v in graph.consts and not (np.abs(graph.consts[v]) <= LARGEST).all()]
    found += [key for key, v in node.attributes.items() if isinstance(v, float) and not abs(v) <= LARGEST]
    return f"{' and '.join(found)} must lie within +-{LARGEST:g}, but NaN, infinity or more occurs" if found else ""
