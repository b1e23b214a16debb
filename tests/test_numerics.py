# SPDX-License-Identifier: Apache-2.0
"""The numerics version and the golden hashes change together.

A network here never changes and never goes, a line of the ledger neither: a new operator brings a network of
its own (tests/own_networks.py).
Where a hash is another one on purpose, raise NUMERICS, add its lines, and say it in the changelog.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit import ops, pipeline
from eightbit.emission import selftest
from eightbit.frontend import load
from eightbit.version import NUMERICS
from models import model, node
from own_networks import numbers, own_networks

LEDGER = Path(__file__).parent / "golden" / "numerics.txt"


def convolutions() -> onnx.ModelProto:
    nodes = [
        node("Conv", "x w b", "a", pads=[1, 1, 0, 0], dilations=[1, 2]),
        node("Relu", "a", "c"),
        node("Conv", "c d", "e", group=4),
        node("AveragePool", "e", "f", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        node("MaxPool", "f", "g", kernel_shape=[2, 1]),
        node("Tanh", "g", "h"),
        node("GlobalAveragePool", "h", "y"),
    ]
    consts = {"w": numbers(4, 2, 3, 3), "b": numbers(4), "d": numbers(8, 1, 2, 2)}
    return model(nodes, {"x": [1, 2, 9, 9]}, {"y": [1, 8, 1, 1]}, consts)


def classes() -> onnx.ModelProto:
    nodes = [
        node("Gemm", "x v w", "a"),
        node("Sigmoid", "a", "b"),
        node("Add", "a b", "c"),
        node("Gemm", "c u", "d"),
        node("Softmax", "d", "y"),
    ]
    return model(nodes, {"x": [1, 12]}, {"y": [1, 4]}, {"v": numbers(12, 7), "w": numbers(7), "u": numbers(7, 4)})


def moves() -> onnx.ModelProto:
    nodes = [
        node("Clip", "x low high", "a"),
        node("Transpose", "a", "b", perm=[0, 2, 3, 1]),
        node("Flatten", "b", "y"),
    ]
    return model(nodes, {"x": [1, 3, 4, 5]}, {"y": [1, 60]}, {"low": np.array(-0.5), "high": np.array(1.5)})


NETWORKS = {"classes": classes, "convolutions": convolutions, "moves": moves, **own_networks()}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, eightbit.Build]:
    """Compiled with ranges that no float runtime measured."""
    found = {}
    for name, make in NETWORKS.items():
        simple = pipeline.float_graph(load.load(make()))
        values = [*simple.inputs, *(output for item in simple.nodes for output in item.outputs)]
        ranges = {value: [-1 - number / 8, 1 + number / 4] for number, value in enumerate(values)}
        path = tmp_path_factory.mktemp("numerics") / "calibration.json"
        path.write_text(json.dumps({"format": 1, "ranges": ranges, "biases": {}}))
        found[name] = eightbit.compile(make(), path)
    return found


def ledger() -> Sequence[tuple[int, str, str]]:
    """(numerics version, network, golden hash), a line each."""
    rows = [line.split() for line in LEDGER.read_text().splitlines() if not line.startswith("#")]
    return [(int(number), network, value) for number, network, value in rows]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_golden_hash_changes_only_with_the_numerics_version(name: str, builds: Mapping[str, eightbit.Build]) -> None:
    golden = f"0x{selftest.golden_hash(selftest.checksums(builds[name].program)):08x}"
    assert (NUMERICS, name, golden) in ledger(), f"{NUMERICS} {name} {golden}: read what this file says first"


@pytest.mark.parametrize("name", NETWORKS)
def test_the_golden_hash_is_the_one_that_the_self_test_prints(name: str, builds: Mapping[str, eightbit.Build]) -> None:
    text = next(text for file, text in builds[name].emission.files.items() if file.endswith("_selftest.c"))
    assert selftest.golden_hash(selftest.checksums(builds[name].program)) in {
        int(word.strip("u;,)("), 16) for word in text.split() if word.startswith("0x")
    }


def test_the_ledger_has_every_network_once_for_each_version() -> None:
    rows = ledger()
    assert [number for number, _, _ in rows] == sorted(number for number, _, _ in rows)
    assert {number for number, _, _ in rows} == set(range(1, NUMERICS + 1))
    assert len({row[:2] for row in rows}) == len(rows)
    assert {network for number, network, _ in rows if number == NUMERICS} == set(NETWORKS)


def test_every_operator_occurs_in_a_network_of_the_ledger(builds: Mapping[str, eightbit.Build]) -> None:
    used = {call.op for build in builds.values() for call in build.program.calls}
    assert used >= {name for name, op in ops.all_ops().items() if op.has_code}
