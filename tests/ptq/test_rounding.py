# SPDX-License-Identifier: Apache-2.0
"""Coordinate descent: that it only chooses between neighbours, never adds error, is exact, and can be left out."""

from __future__ import annotations

import importlib
import json
from fractions import Fraction
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eightbit
from eightbit import ops, pipeline
from eightbit.frontend import load
from eightbit.frontend.simplify import simplify
from eightbit.ir.weights import W_MAX, nearest, other
from eightbit.ops.linear import Linear
from eightbit.ptq import rounding
from eightbit.ptq.recipe import Recipe
from models import model, node, samples, weights

Problem = tuple[np.ndarray, np.ndarray]  # exact weights [groups, outputs, taps], patches [groups, rows, taps]


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Weights in steps within +-127 and correlated inputs within +-255; some weights are integers, some inputs dead."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, outputs, taps, rows = (draw(st.integers(1, most)) for most in (3, 4, 20, 40))
    exact = rng.uniform(-W_MAX, W_MAX, (groups, outputs, taps)) * rng.choice([1, 0.01], (groups, outputs, 1))
    exact = np.where(rng.random(exact.shape) < 0.1, np.rint(exact), exact)
    common = rng.normal(0, 80, (groups, rows, 1)) + rng.normal(0, draw(st.sampled_from([1, 50])), (groups, rows, taps))
    dead = rng.random((groups, 1, taps)) < 0.1
    return exact, np.where(dead, 7, np.clip(common, -255, 255)).astype(np.int16)


def quadratic(weights: np.ndarray, exact: np.ndarray, covariances: np.ndarray) -> list[Fraction]:
    """The exact error that is minimised, per group and output; what is minimised knows weights to 16 places."""
    off = weights * rounding.PLACES - np.rint(exact * rounding.PLACES)
    found = []
    for group, rows in zip(covariances.astype(np.int64), off.astype(np.int64), strict=True):
        found += [Fraction(int(row.astype(object) @ group.astype(object) @ row.astype(object))) for row in rows]
    return found


def chosen(exact: np.ndarray, moved: np.ndarray) -> np.ndarray:
    return np.where(moved, other(exact), nearest(exact))


@given(problems(), st.sampled_from([0.0, rounding.DAMPING]))
def test_weights_go_to_a_neighbour_within_their_range_and_no_output_gets_worse(
    problem: Problem, damping: float
) -> None:
    exact, patches = problem
    levels = rounding.levels(rounding.covariance(patches), patches.shape[1], damping)
    made = chosen(exact, rounding.descend(exact, levels))
    assert (np.abs(made) <= W_MAX).all()
    assert (np.abs(made - exact) < 1).all()
    assert (made[exact == np.rint(exact)] == exact[exact == np.rint(exact)]).all()
    before, after = (quadratic(w, exact, levels) for w in (nearest(exact), made))
    assert all(late <= early for early, late in zip(before, after, strict=True))


@given(problems())
def test_the_descent_in_blocks_is_the_plain_one_in_exact_integers(problem: Problem) -> None:
    exact, patches = problem
    levels = rounding.levels(rounding.covariance(patches), patches.shape[1], rounding.DAMPING)
    for block in (1, 8, rounding.BLOCK):
        with mock.patch.object(rounding, "BLOCK", block):
            assert np.array_equal(rounding.descend(exact, levels), plain_descent(exact, levels))


def plain_descent(exact: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """The definition: one weight after the other, everything an integer of Python."""
    places = int(rounding.PLACES)
    moved = np.zeros(exact.shape, bool)
    for group, output in np.ndindex(exact.shape[:2]):
        h = [[int(x) for x in row] for row in levels[group]]
        wanted = [int(x) for x in np.rint(exact[group, output] * places)]
        made = [int(x) for x in np.rint(exact[group, output])]
        for tap in [*range(len(made))] * rounding.PASSES:
            if h[tap][tap] == 0:
                continue
            slope = sum(h[tap][k] * (made[k] * places - wanted[k]) for k in range(len(made)))
            best = round(made[tap] - slope / places / h[tap][tap])
            low, high = np.floor(exact[group, output, tap]), np.ceil(exact[group, output, tap])
            made[tap] = int(np.clip(best, low, high))
        moved[group, output] = np.array(made) != np.rint(exact[group, output])
    return moved


@given(problems())
def test_the_covariance_is_exact(problem: Problem) -> None:
    x = problem[1].astype(np.int64)
    count, total = x.shape[1], x.sum(axis=1)
    exact = count * np.einsum("gnk,gnl->gkl", x, x) - np.einsum("gk,gl->gkl", total, total)
    assert np.array_equal(rounding.covariance(problem[1]), exact)


def test_the_largest_inputs_in_all_rows_still_have_an_exact_covariance() -> None:
    x = np.full((1, rounding.ROWS, 2), 255, np.int16)
    x[0, ::2, 0] = -255
    assert rounding.covariance(x).tolist() == [[[255**2 * rounding.ROWS**2, 0], [0, 0]]]


def test_at_most_so_many_rows_are_chosen_and_always_the_same() -> None:
    assert np.array_equal(rounding.chosen_rows(50), np.arange(50))
    many = rounding.chosen_rows(10 * rounding.ROWS)
    assert len(many) == len(set(many.tolist())) == rounding.ROWS
    assert np.array_equal(many, rounding.chosen_rows(10 * rounding.ROWS))


@pytest.mark.parametrize("name", ["conv", "depthwise", "fc"])
def test_patches_times_grouped_weights_are_the_accumulators(name: str) -> None:
    module, op, rng = importlib.import_module(f"ops.test_{name}"), ops.get(name), np.random.default_rng(5)
    assert isinstance(op, Linear)
    for _ in range(40):
        case = module.case(rng)
        shape, call = case.output.shape, case.call
        x = case.arrays[0]
        rows = np.arange(len(x) * shape[0] * shape[1])
        grouped = op.grouped(call, np.moveaxis(call.consts["weights"], op.channel_axis, 0).astype(np.int64))
        made = np.einsum("gnk,gok->ngo", op.patches(call, x, shape, rows), grouped)
        assert np.array_equal(made.reshape(len(x), *shape), op.accumulate(call, x, shape))


def network() -> onnx.ModelProto:
    """Convolutions, one depthwise, and a dense layer on inputs that rise and fall together."""
    consts = {
        "w": weights(8, 3, 3, 3),
        "d": weights(16, 1, 3, 3, seed=2),
        "p": weights(4, 16, 1, 1, seed=3),
        "m": weights(4 * 36, 5, seed=4),
    }
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Conv", "b d", "c", group=8),
        node("Relu", "c", "e"),
        node("Conv", "e p", "f"),
        node("Flatten", "f", "g"),
        node("MatMul", "g m", "y"),
    ]
    return model(nodes, {"x": [1, 3, 8, 8]}, {"y": [1, 5]}, consts)


def smooth(count: int, seed: int = 2) -> np.ndarray:
    """Images in which a channel's pixels are nearly equal."""
    parts = samples(3, 1, 1, count=count, seed=seed), samples(3, 8, 8, count=count, seed=seed + 1)
    return np.asarray(np.sin(parts[0]) + 0.2 * np.sin(parts[1]))


def test_it_lowers_the_noise_of_every_layer_and_of_the_network_and_can_be_left_out() -> None:
    proto, x = network(), smooth(60)
    with_it, without = (eightbit.compile(proto, x, coordinate_descent=on) for on in (True, False))
    assert with_it.calibration is not None
    assert without.calibration is not None
    assert without.calibration.roundings == {}
    assert sorted(with_it.calibration.roundings) == ["a", "c", "f", "y"]
    assert min(with_it.calibration.rounding_db.values()) > 0.5
    noise = [eightbit.evaluate(build, proto, smooth(60, seed=9))["sqnr_db"] for build in (with_it, without)]
    assert noise[0] > noise[1] + 0.3
    assert any("not rounded to the nearest" in note for note in with_it.notes)
    assert not any("not rounded to the nearest" in note for note in without.notes)


def test_what_moved_is_in_the_weights_and_the_report() -> None:
    build = eightbit.compile(network(), smooth(60))
    plain = eightbit.compile(network(), smooth(60), coordinate_descent=False)
    said = {layer["layer"]: layer["roundings"] for layer in build.report()["layers"] if "roundings" in layer}
    made, plainly = (
        [c.consts["weights"].astype(int) for c in b.program.calls if "weights" in c.consts] for b in (build, plain)
    )
    for layer, one, plain_one in zip(("a", "c", "f", "y"), made, plainly, strict=True):
        assert np.abs(one - plain_one).max() == 1
        assert said[layer]["weights"] == one.size
        assert said[layer]["moved"] == np.count_nonzero(one - plain_one)
        assert said[layer]["measured_db"] > 0.5


def test_the_same_samples_give_the_same_bytes_and_so_does_the_saved_calibration(tmp_path: Path) -> None:
    builds = [eightbit.compile(network(), smooth(60)) for _ in range(2)]
    assert builds[0].files() == builds[1].files()
    builds[0].write(tmp_path / "out")
    again = eightbit.compile(network(), tmp_path / "out" / "calibration.json")
    assert again.calibration is not None
    assert again.calibration.roundings
    assert again.files() == builds[0].files()
    with pytest.raises(eightbit.InputError, match="another recipe"):
        eightbit.compile(network(), tmp_path / "out" / "calibration.json", coordinate_descent=False)


def test_roundings_that_harm_on_the_samples_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "descend", lambda exact, levels: np.ones(exact.shape, np.bool_))
    assert pipeline.learn(simplify(load.load(network())), {"x": smooth(60)}, Recipe()).roundings == {}


def test_a_layer_with_too_many_weights_for_its_matrices_is_rounded_to_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rounding, "TAPS", 100)
    found = pipeline.learn(simplify(load.load(network())), {"x": smooth(60)}, Recipe())
    assert sorted(found.roundings) == ["a", "c", "f"]


def test_one_sample_of_zeros_moves_nothing() -> None:
    build = eightbit.compile(network(), np.zeros((1, 3, 8, 8), np.float32))
    assert build.calibration is not None
    assert build.calibration.roundings == {}


def test_roundings_of_another_model_are_refused(tmp_path: Path) -> None:
    build = eightbit.compile(network(), smooth(20))
    assert build.calibration is not None
    document = json.loads(build.calibration.json())
    document["roundings"]["a"] = {"weights": 8, "moved": "AA=="}
    (tmp_path / "calibration.json").write_text(json.dumps(document))
    with pytest.raises(eightbit.InputError, match="not of this model") as refused:
        eightbit.compile(network(), tmp_path / "calibration.json")
    assert "'a' has no such weights" in refused.value.why


@pytest.mark.parametrize(
    "packed",
    [
        {"weights": 9, "moved": "AA=="},
        {"weights": 8.0, "moved": "AA=="},
        {"weights": 8, "moved": "A A="},
        {"weights": 8},
    ],
)
def test_damaged_roundings_are_refused(tmp_path: Path, packed: dict[str, object]) -> None:
    build = eightbit.compile(network(), smooth(20))
    assert build.calibration is not None
    document = json.loads(build.calibration.json()) | {"roundings": {"a": packed}}
    (tmp_path / "calibration.json").write_text(json.dumps(document))
    with pytest.raises(eightbit.InputError, match="cannot read the calibration"):
        eightbit.compile(network(), tmp_path / "calibration.json")
