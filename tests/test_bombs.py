# SPDX-License-Identifier: Apache-2.0
"""Small files that ask for endless work or memory: refused with a reason, or done in moderate time."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from eightbit import pipeline
from eightbit.checkup import Checkup, check_model
from eightbit.frontend import load
from eightbit.frontend.contradictions import INLINED_MAX, NODES_MAX
from eightbit.frontend.simplify import FOLD_LIMIT
from eightbit.planning import packing
from eightbit.planning.packing import Place
from models import model, node, one

OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]


def doubling(levels: int, inside: str = "") -> onnx.ModelProto:
    """A function that calls another twice, which calls another twice: 2 ** levels Relus in a few lines."""
    proto = model([helper.make_node("f0", ["x"], ["y"], domain="local")], {"x": [1, 4]}, {"y": [1, 4]})
    del proto.opset_import[:]
    proto.opset_import.extend(OPSETS)
    for level in range(levels):
        callee = f"f{level + 1}" if level + 1 < levels else "leaf"
        body = [helper.make_node(callee, [a], [b], domain="local") for a, b in (("a", "h"), ("h", "b"))]
        proto.functions.append(helper.make_function("local", f"f{level}", ["a"], ["b"], body, OPSETS))
    leaf = [helper.make_node("Relu", ["a"], ["b"])]
    proto.functions.append(helper.make_function("local", "leaf", ["a"], ["b"], leaf, OPSETS))
    return proto


def checked_within(proto: onnx.ModelProto, seconds: float) -> Checkup:
    start = time.process_time()
    found = check_model(proto)
    assert time.process_time() - start < seconds
    return found


@pytest.mark.parametrize("levels", [3, 10])
def test_functions_that_call_functions_are_put_in(levels: int) -> None:
    assert checked_within(doubling(levels), 30).obstacles == ()


@pytest.mark.parametrize("levels", [11, 20, 60])
def test_functions_that_multiply_into_more_nodes_than_any_network_has_are_refused(levels: int) -> None:
    (found,) = checked_within(doubling(levels), 5).obstacles
    assert found.what == "the model is too large"
    assert f"{INLINED_MAX} are the most" in found.why


def test_functions_that_nothing_calls_count_too() -> None:
    proto = doubling(20)
    proto.graph.node[0].op_type, proto.graph.node[0].domain = "Relu", ""
    assert checked_within(proto, 5).obstacles[0].what == "the model is too large"


def test_functions_inside_of_branches_count_too() -> None:
    proto = doubling(20)
    call, result = proto.graph.node.pop(), helper.make_tensor_value_info("y", 1, [1, 4])
    branch = helper.make_graph([call], "branch", [], [result])
    proto.graph.node.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "c"))
    assert checked_within(proto, 5).obstacles[0].what == "the model is too large"


def test_a_function_that_calls_itself_twice_is_refused() -> None:
    proto = doubling(1)
    proto.functions[0].node[0].op_type = proto.functions[0].node[1].op_type = "f0"
    assert checked_within(proto, 5).obstacles[0].what == "the model is too large"


def chain(count: int) -> onnx.ModelProto:
    nodes = [node("Relu", f"v{i}", f"v{i + 1}") for i in range(count)]
    return model(nodes, {"v0": [1, 4]}, {f"v{count}": [1, 4]})


def test_a_chain_of_ten_thousand_nodes_is_checked_in_moderate_time() -> None:
    assert checked_within(chain(NODES_MAX), 30).obstacles == ()


def test_a_longer_one_is_refused() -> None:
    assert checked_within(chain(NODES_MAX + 1), 5).obstacles[0].what == "the model is too large"


def test_ten_thousand_places_are_packed_in_moderate_time() -> None:
    lives = {f"t{i}": Place(0, 1 + i % 7, i, i + 1 + i % 3) for i in range(10_000)}
    start = time.process_time()
    found = packing.best_packing(lives)
    assert time.process_time() - start < 30
    assert packing.extent(found) >= packing.lower_bound(lives)


def constant_bomb(operator: str, inputs: str, **consts: np.ndarray) -> onnx.ModelProto:
    """x + max(an enormous constant that the operator makes of small ones)."""
    nodes = [node(operator, inputs, "c"), node("ReduceMax", "c", "m", keepdims=0), node("Add", "x m", "y")]
    return model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, consts)


@pytest.mark.parametrize(
    "proto",
    [
        constant_bomb("Expand", "a s", a=np.ones(1, np.float32), s=np.array([FOLD_LIMIT + 1])),
        constant_bomb("Expand", "a s", a=np.ones(1, np.float32), s=np.array([1 << 40])),
        constant_bomb("Tile", "a s", a=np.ones(4, np.float32), s=np.array([1 << 40])),
        constant_bomb("Pad", "a s", a=np.ones(4, np.float32), s=np.array([1 << 33, 1 << 33])),
    ],
    ids=["Expand by little", "Expand", "Tile", "Pad"],
)
def test_a_constant_that_no_flash_holds_is_not_calculated(proto: onnx.ModelProto) -> None:
    assert checked_within(proto, 5).obstacles


def test_a_size_that_is_calculated_is_known_before_what_it_makes_large() -> None:
    consts = {"a": np.ones(1, np.float32), "b": np.array([10]), "e": np.array([12])}
    nodes = [node("Pow", "b e", "s"), node("Expand", "a s", "c"), node("ReduceMax", "c", "m", keepdims=0)]
    proto = model([*nodes, node("Add", "x m", "y")], {"x": [1, 4]}, {"y": [1, 4]}, consts)
    assert {found.operator for found in checked_within(proto, 5).obstacles} >= {"Expand"}
    proto.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.array([1]), "e"))
    graph, _ = pipeline.surveyed(load.load(proto))
    assert [item.op_type for item in graph.nodes] == ["BatchNormalization"]


def test_an_operator_that_loops_as_often_as_an_attribute_says_is_not_calculated() -> None:
    attributes = {"max_gram_length": 1 << 40, "max_skip_count": 1 << 40, "min_gram_length": 1, "mode": "TF"}
    pool = {"ngram_counts": [0], "ngram_indexes": [0], "pool_int64s": [1]}
    count = node("TfIdfVectorizer", "w", "c", **attributes, **pool)
    proto = model([count, node("Add", "x c", "y")], {"x": [1, 4]}, {"y": None}, {"w": np.array([1])})
    assert "TfIdfVectorizer" in {found.operator for found in checked_within(proto, 5).obstacles}


@pytest.mark.parametrize("rank", [33, 64, 65, 1000])
def test_more_dimensions_than_arrays_have_are_refused(rank: int) -> None:
    (found,) = check_model(one("Relu", [1] * rank)).obstacles
    assert f"has {rank} dimensions, more than 32" in found.why


def test_as_many_dimensions_as_are_taken_compile() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, (4, *[1] * 31, 4)).astype(np.float32)
    build = pipeline.compile_model(one("Relu", [1] * 31 + [4]), {"x": x})
    assert build.verify({"x": x}).ok


def test_values_that_take_gigabytes_together_are_refused_before_a_sample_is_run() -> None:
    size, count = 1 << 22, 65
    nodes = [node("Sigmoid", f"v{i}", f"v{i + 1}") for i in range(count)]
    (found,) = checked_within(model(nodes, {"v0": [1, size]}, {f"v{count}": [1, size]}), 5).obstacles
    assert found.why == f"its values have {(count + 1) * size} elements in all, more than {1 << 28}"
