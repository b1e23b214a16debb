# SPDX-License-Identifier: Apache-2.0
"""What the checker lets pass, and what comes after it crashes on, reads differently or never finishes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from eightbit.frontend.obstacles import Obstacle

FLAGS = set("allowzero ceil_mode count_include_pad keepdims storage_order training_mode transA transB".split())
HINT = "set it to 0 or 1 and export the model again"
NODES_MAX = 10_000  # networks for microcontrollers have hundreds
INLINED_MAX = 4_000  # nodes that functions put in: naming them takes quadratic time
DEPTH_MAX = 100  # of functions in functions; the checker refuses more


def contradictions(proto: onnx.ModelProto) -> list[Obstacle]:
    """All of them, in branches and functions too."""
    why = _too_many(proto)
    if why:
        return [Obstacle("the model", why, "split the network, or export a smaller one", what="the model is too large")]
    return [found for node in every_node(proto) for found in _of_node(node)]


def every_node(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Those of branches and functions, too."""
    return _every([*proto.graph.node, *(node for function in proto.functions for node in function.node)])


def _too_many(proto: onnx.ModelProto) -> str:
    """Why these are too many nodes, functions put in where they are called: a few lines may make 2 ** 50 of them."""
    bodies = {(f.domain, f.name): [(n.domain, n.op_type) for n in _every(f.node)] for f in proto.functions}
    sizes = dict.fromkeys(bodies, 0)
    for _ in range(DEPTH_MAX if bodies else 0):
        before = sizes
        sizes = {name: min(sum(1 + before.get(n, 0) for n in body), INLINED_MAX + 1) for name, body in bodies.items()}
        if sizes == before:
            break
    nodes = list(_every(proto.graph.node))
    called = sum(sizes.get((node.domain, node.op_type), 0) for node in nodes)
    inlined = max(called, *sizes.values(), 0)  # shape inference goes into those that nothing calls, too
    if inlined > INLINED_MAX:
        return f"its functions put in {inlined} nodes or more where they are called; {INLINED_MAX} are the most"
    return f"it has {len(nodes)} nodes; {NODES_MAX} are the most" if len(nodes) > NODES_MAX else ""


def _of_node(node: onnx.NodeProto) -> Iterator[Obstacle]:
    numbers = {item.name: item.i for item in node.attribute if item.type == onnx.AttributeProto.INT}
    where = f"node {node.name!r} ({node.op_type})"

    def obstacle(what: str, why: str, hint: str) -> Obstacle:
        return Obstacle(where, why, hint, str(node.name), str(node.op_type), what)

    for name in sorted(FLAGS & set(numbers)):
        if numbers[name] not in (0, 1):
            what = f"{name} is {numbers[name]}, which has no meaning"
            yield obstacle(what, f"{name} is {numbers[name]}; ONNX says what 0 and 1 mean, and nothing else", HINT)
    if node.op_type == "Split" and numbers.get("num_outputs", len(node.output)) != len(node.output):
        why = f"num_outputs is {numbers['num_outputs']}, and it has {len(node.output)} outputs"
        yield obstacle("a Split contradicts itself", why, "export the model again")


def _every(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """These nodes, and those of the graphs in their attributes."""
    for node in nodes:
        yield node
        for item in node.attribute:
            for graph in (item.g, *item.graphs):
                yield from _every(graph.node)
