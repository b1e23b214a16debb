# SPDX-License-Identifier: Apache-2.0
"""Histograms of the calibration: every value is in one bin, and what is clipped is what the figures say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import eightbit
from eightbit.build import Build
from eightbit.ir.fixed import S8_MAX, S8_MIN, quantise
from eightbit.ptq import calibration, histogram
from models import classifier, dense, model, node, samples, weights


def counted(steps: NDArray[np.float64]) -> histogram.Histogram:
    below, above = histogram.outside(steps)
    return histogram.histogram(histogram.count(steps), int(below.sum()), int(above.sum()))


def test_bins_are_those_of_the_rounded_values() -> None:
    steps = np.random.default_rng(1).normal(0, 80, 100_000).round(1)  # with ties
    steps[:5] = (S8_MIN - 1, S8_MAX + 1, S8_MIN - 1.1, S8_MAX + 1.1, -0.5)
    inside = steps[(steps >= S8_MIN - 1) & (steps <= S8_MAX + 1)]
    codes = quantise(inside, 1.0, 0).astype(int)
    expected = np.histogram(codes, bins=np.arange(S8_MIN, S8_MAX + 2, 8))[0]
    found = counted(steps)
    assert found.counts == tuple(expected)
    assert (found.below, found.above) == ((steps < S8_MIN - 1).sum(), (steps > S8_MAX + 1).sum())
    assert found.total == steps.size


def test_every_step_has_its_bin_and_infinities_are_clipped() -> None:
    assert set(counted(np.arange(S8_MIN, S8_MAX + 1.0)).counts) == {8}
    assert counted(np.array([-np.inf, np.inf, 0.0])) == histogram.Histogram(
        1, tuple(int(i == 16) for i in range(histogram.BINS)), 1
    )


def deep() -> Build:
    """More than the 128 samples that are looked at; equalised, and with a clipped tail."""
    nodes = [node("Conv", "x w b", "c"), node("Relu", "c", "r"), node("Conv", "r v", "y")]
    consts = {"w": weights(8, 2, 3, 3), "b": weights(8), "v": weights(4, 8, 3, 3, seed=3)}
    proto = model(nodes, {"x": [1, 2, 14, 14]}, {"y": None}, consts)
    return eightbit.compile(proto, samples(2, 14, 14, count=150))


@pytest.mark.parametrize("build", [deep, lambda: eightbit.compile(classifier(), samples(2, 11, 11, count=20))])
def test_every_value_of_the_samples_is_counted_and_the_clipped_share_is_that_of_the_figures(
    build: Callable[[], Build],
) -> None:
    learnt = build().calibration
    assert learnt is not None
    assert set(learnt.histograms) == set(learnt.fidelity)
    for value, found in learnt.histograms.items():
        assert min(found.counts) >= 0
        share = (found.below + found.above) / found.total
        assert learnt.fidelity[value].clipped == pytest.approx(share, rel=5e-3)  # it has three digits


def test_the_numbers_of_values_are_those_of_the_first_128_samples() -> None:
    learnt = deep().calibration
    assert learnt is not None
    assert learnt.gains
    assert sum(found.below + found.above for found in learnt.histograms.values()) > 0
    sizes = {"x": 2 * 14 * 14, "r": 8 * 12 * 12, "y": 4 * 10 * 10}
    assert {value: found.total for value, found in learnt.histograms.items()} == {v: 128 * n for v, n in sizes.items()}


def test_an_outlier_leaves_most_of_the_range_empty() -> None:
    x = samples(4, count=100)
    x[7] = 100
    found = eightbit.compile(dense(), x).calibration
    assert found is not None
    counts = found.histograms["x"].counts
    assert sum(number > 0 for number in counts) <= 4
    assert counts[-1] == 4


def test_histograms_and_results_are_saved_with_the_calibration(tmp_path: Path) -> None:
    found = eightbit.compile(dense(), samples(4, count=20)).calibration
    assert found is not None
    (tmp_path / "calibration.json").write_text(found.json())
    again = calibration.read(tmp_path / "calibration.json")
    assert again.histograms == found.histograms != {}
    assert again.result == found.result != {}


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("histograms", {"x": [1, 2, 3]}),
        ("histograms", {"x": [0] * 34}),
        ("histograms", {"x": [-1] * 34}),
        ("histograms", {"x": [0.5] * 34}),
        ("result", {"samples": 3}),
        ("result", {"samples": 3, "accuracy_float": "1", "accuracy_fixed": 1, "agreement": 1, "sqnr_db": 1}),
        ("result", {"samples": 3.5, "accuracy_float": 1, "accuracy_fixed": 1, "agreement": 1, "sqnr_db": 1}),
        ("result", [3]),
    ],
)
def test_a_damaged_histogram_or_result_is_refused(key: str, wrong: object, tmp_path: Path) -> None:
    found = eightbit.compile(dense(), samples(4, count=20)).calibration
    assert found is not None
    (tmp_path / "calibration.json").write_text(json.dumps(json.loads(found.json()) | {key: wrong}))
    with pytest.raises(eightbit.InputError, match="cannot read the calibration"):
        calibration.read(tmp_path / "calibration.json")
