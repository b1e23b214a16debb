# SPDX-License-Identifier: Apache-2.0
"""Scale groups: the classes of the equalities that nodes impose, found by union-find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from eightbit import lower
from eightbit.frontend import load
from eightbit.frontend.graph import Graph
from eightbit.frontend.simplify import simplify
from eightbit.lower.groups import Equalities, roots, scale_groups
from models import model, node, weights
from random_graphs import random_model

NAMES = st.sampled_from("abcdefgh")


@given(st.lists(st.tuples(NAMES, NAMES), max_size=12))
def test_names_are_in_one_class_if_a_path_of_ties_leads_from_one_to_the_other(ties: list[tuple[str, str]]) -> None:
    equal, reached = Equalities(), {name: {name} for name in "abcdefgh"}
    for first, second in ties:
        equal.tie(first, second)
        merged = reached[first] | reached[second]
        for name in merged:
            reached[name] = merged
    for a, members in reached.items():
        assert {b for b in reached if equal.root(b) == equal.root(a)} == members
        assert equal.root(equal.root(a)) == equal.root(a)


def test_the_first_of_two_tied_names_stands_for_both() -> None:
    equal = Equalities()
    for first, second in ("ab", "cd", "ac"):
        equal.tie(first, second)
    assert {equal.root(name) for name in "abcd"} == {"a"}


def test_pools_relus_and_reshapes_share_the_scale_of_the_layer_before_and_an_add_starts_anew() -> None:
    nodes = [
        node("Conv", "x w", "a"),
        node("Relu", "a", "b"),
        node("MaxPool", "b", "c", kernel_shape=[2, 2]),
        node("MaxPool", "b", "d", kernel_shape=[2, 2]),
        node("Add", "c d", "e"),
        node("Flatten", "e", "f"),
        node("Gemm", "f v", "y"),
    ]
    proto = model(nodes, {"x": [1, 1, 6, 6]}, {"y": [1, 5]}, {"w": weights(2, 1, 3, 3), "v": weights(18, 5)})
    groups = scale_groups(simplify(load.load(proto)))
    assert groups == {"x": ["x"], "a": ["a", "b", "c", "d"], "e": ["e", "f"], "y": ["y"]}


def starts(graph: Graph) -> list[str]:
    return [*graph.inputs, *(n.outputs[0] for n in graph.nodes if not lower.rule(n).keeps_scale)]


def test_every_group_of_a_random_graph_starts_at_an_input_or_at_a_node_that_chooses_a_scale() -> None:
    for seed in range(20_401, 20_421):
        graph = simplify(load.load(random_model(seed)[0]))
        assert roots(graph) == starts(graph)
