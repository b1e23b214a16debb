# SPDX-License-Identifier: Apache-2.0
"""What sums of tensors with unequal scales cost, and that the report of a build says it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eightbit
import exact
from eightbit import ops
from eightbit.ir.fixed import S8_MAX, S8_MIN
from eightbit.ir.program import Call, Tensor
from eightbit.ir.rescale import Rescale
from eightbit.ops import add
from models import model, node, samples, weights

BYTES = (S8_MIN, S8_MAX)
SCALES = st.floats(2.0**-6, 1.0, width=32)


def tensors(scales: tuple[float, float, float], zero_point: int = 0) -> list[Tensor]:
    return [Tensor("", (1, 1, 1), scale, zero_point, "") for scale in scales]


def add_call(a: Tensor, b: Tensor, y: Tensor, low: int = S8_MIN) -> Call:
    t = add.terms(a, b, y)
    return Call("add_1", "add", add.Params(1, 1, t.mult_a, t.mult_b, t.rshift, low, S8_MAX, t.out_c), ("a", "b"), "y")


def cost(a: Tensor, b: Tensor, y: Tensor, low: int = S8_MIN, ends: tuple[int, int] = BYTES) -> Rescale:
    found = ops.get("add").rescale(add_call(a, b, y, low), [ends, ends], [a, b], y)
    assert found is not None
    return found


@given(SCALES, SCALES, SCALES, st.integers(-128, 127))
@settings(max_examples=40, deadline=None)
def test_the_share_of_sums_that_differ_is_that_of_all_pairs_against_exact_fractions(
    s_a: float, s_b: float, s_y: float, zero_point: int
) -> None:
    a, b, y = tensors((s_a, s_b, s_y), zero_point)
    counted = exact.pairs(add_call(a, b, y), a, b, y)
    assert cost(a, b, y).differing_share == pytest.approx(counted.differing / counted.values, abs=1e-6)


def test_scales_whose_exponents_lie_far_apart_are_compared_exactly_too() -> None:
    a, b, y = tensors((1.1 * 2.0**-60, 1.3, 1.7))
    a, b, y = (Tensor("", (1, 1, 1), float(np.float32(t.scale)), 0, "") for t in (a, b, y))
    counted = exact.pairs(add_call(a, b, y), a, b, y)
    assert cost(a, b, y).differing_share == pytest.approx(counted.differing / counted.values, abs=1e-6)


def test_a_sum_in_one_scale_costs_nothing() -> None:
    found = cost(*tensors((0.5, 0.5, 0.5)))
    assert (found.scale_ratios, found.differing_share, found.sqnr_loss_db) == ((1.0, 1.0), 0.0, 0.0)


def test_the_loss_is_that_of_a_rounding_noise_of_a_twelfth_of_a_step() -> None:
    a, b, y = tensors((0.31, 0.23, 0.47))
    expected = 10 * math.log10(1 + 0.47**2 / (0.31**2 + 0.23**2))
    assert cost(a, b, y).sqnr_loss_db == pytest.approx(expected, rel=0.01)


def test_only_values_that_the_operands_can_have_are_counted() -> None:
    found = cost(*tensors((0.31, 0.23, 0.47)), ends=(-5, 20))
    assert found.pairs == 26 * 26


def test_a_sum_that_its_clamp_always_holds_adds_no_noise() -> None:
    found = cost(*tensors((0.31, 0.23, 0.47)), low=100, ends=(-5, 20))
    assert (found.differing_share, found.sqnr_loss_db) == (0.0, 0.0)


def test_the_report_of_a_build_names_every_sum_and_what_it_costs(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Conv", "a v", "b", pads=[1, 1, 1, 1]),
        node("Add", "a b", "c"),
        node("Relu", "c", "y"),
    ]
    consts = {"w": weights(4, 4, 3, 3), "v": weights(4, 4, 3, 3)}
    proto = model(nodes, {"x": [1, 4, 5, 5]}, {"y": [1, 4, 5, 5]}, consts)
    build = eightbit.compile(proto, samples(4, 5, 5, count=10))
    build.write(tmp_path / "out")
    (found,) = json.loads((tmp_path / "out" / "report.json").read_text())["rescales"]
    (call,) = [call for call in build.program.calls if call.op == "add"]
    assert found["call"] == call.name
    assert found["multipliers"] == [call.params.mult_a, call.params.mult_b]
    assert found["rshift"] == call.params.sum_rshift
    assert 0 <= found["differing_share"] < 0.01
    assert 0 < found["sqnr_loss_db"] < 10
    assert str(build.rescales[0]).startswith(f"{call.name}: scales ")


def test_a_network_without_sums_has_none_to_report() -> None:
    proto = model([node("Gemm", "x w", "y")], {"x": [1, 4]}, {"y": [1, 3]}, {"w": weights(4, 3)})
    assert eightbit.compile(proto, samples(4)).report()["rescales"] == []
