# SPDX-License-Identifier: Apache-2.0
"""HardSwish, as one operator and spelled out: the same program; and what only looks like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit.audit import audit
from eightbit.errors import InputError
from eightbit.frontend.samples import read
from eightbit.judge import judge
from models import model, node, samples, weights

ADD, CLIP = node("Add", "a three", "b"), node("Clip", "b zero six", "c")
SPELLINGS = {
    "as it is": [node("HardSwish", "a", "h")],
    "divided at the end": [ADD, CLIP, node("Mul", "a c", "d"), node("Div", "d six", "h")],
    "times a sixth at the end": [ADD, CLIP, node("Mul", "c a", "d"), node("Mul", "d sixth", "h")],
    "divided before": [ADD, CLIP, node("Div", "c six", "d"), node("Mul", "a d", "h")],
    "times a sixth before": [ADD, CLIP, node("Mul", "sixth c", "d"), node("Mul", "d a", "h")],
    "the value divided": [ADD, CLIP, node("Div", "a six", "d"), node("Mul", "d c", "h")],
    "by a HardSigmoid": [node("HardSigmoid", "a", "c", alpha=1 / 6, beta=0.5), node("Mul", "a c", "h")],
    "sum turned round": [node("Add", "three a", "b"), CLIP, node("Mul", "a c", "d"), node("Div", "d six", "h")],
}
OTHERS = {
    "another slope": [node("HardSigmoid", "a", "c"), node("Mul", "a c", "h")],
    "another centre": [node("HardSigmoid", "a", "c", alpha=1 / 6, beta=0.4), node("Mul", "a c", "h")],
    "another height": [ADD, CLIP, node("Mul", "a c", "d"), node("Div", "d three", "h")],
    "other bounds": [ADD, node("Clip", "b zero three", "c"), node("Mul", "a c", "d"), node("Div", "d six", "h")],
    "another shift": [node("Add", "a six", "b"), CLIP, node("Mul", "a c", "d"), node("Div", "d six", "h")],
    "of another value": [node("Relu", "a", "r"), ADD, CLIP, node("Mul", "r c", "d"), node("Div", "d six", "h")],
    "six divided by it": [ADD, CLIP, node("Mul", "a c", "d"), node("Div", "six d", "h")],
}
CONSTANTS = {"three": 3.0, "zero": 0.0, "six": 6.0, "sixth": 1 / 6}


def gated(nodes: list[onnx.NodeProto], opset: int = 17) -> onnx.ModelProto:
    around = [node("Conv", "x w b0", "a"), *nodes, node("Conv", "h v", "y")]
    read_ones = {name for item in nodes for name in item.input}
    consts = {name: np.array(value) for name, value in CONSTANTS.items() if name in read_ones}
    consts |= {"w": weights(6, 3, 3, 3), "b0": weights(6), "v": weights(4, 6, 1, 1)}
    return model(around, {"x": [1, 3, 8, 8]}, {"y": [1, 4, 6, 6]}, consts, opset=opset)


def given() -> np.ndarray:
    return 3 * samples(3, 8, 8, count=24)


@pytest.fixture(scope="module")
def build() -> eightbit.Build:
    return eightbit.compile(gated(SPELLINGS["as it is"]), given())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_hard_swish_is_one_table_however_it_is_spelled(spelling: str, build: eightbit.Build) -> None:
    made = eightbit.compile(gated(SPELLINGS[spelling]), given())
    assert [call.op for call in made.program.calls if call.op not in ("reshape", "permute")] == ["conv", "lut", "conv"]
    for got, want in zip(made.simulate(given()).values(), build.simulate(given()).values(), strict=True):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("other", OTHERS)
def test_what_only_looks_like_a_hard_swish_is_refused(other: str) -> None:
    with pytest.raises(InputError, match=r"both operands are activations|operator Div is not supported"):
        eightbit.compile(gated(OTHERS[other]), given())


def test_before_opset_14_it_stays_spelled_out_since_there_is_no_such_operator() -> None:
    with pytest.raises(InputError, match="both operands are activations"):
        eightbit.compile(gated(SPELLINGS["by a HardSigmoid"], opset=13), given())


def test_who_else_reads_the_gate_still_does() -> None:
    nodes = [*SPELLINGS["by a HardSigmoid"], node("Relu", "c", "gate")]
    proto = gated(nodes)
    proto.graph.output.append(onnx.helper.make_tensor_value_info("gate", onnx.TensorProto.FLOAT, [1, 6, 6, 6]))
    functions = [call.params.function for call in eightbit.compile(proto, given()).program.calls if call.op == "lut"]
    assert sorted(function.partition("(")[0] for function in functions) == ["HardSigmoid", "HardSwish"]


def test_a_network_with_it_runs_is_audited_and_judged(build: eightbit.Build, tmp_path: Path) -> None:
    assert build.verify(given()).ok
    assert audit(build.write(tmp_path / "out")).ok
    ports = {port.name: port.shape for port in build.program.inputs}
    assert all(verdict.ok for verdict in judge(build.program, read(given(), ports)))
    scores = eightbit.evaluate(build, gated(SPELLINGS["divided before"]), given())
    assert scores["sqnr_db"] > 30
