# SPDX-License-Identifier: Apache-2.0
"""Metrics: what is compared with what, and how ties and infinite ratios count."""

from __future__ import annotations

import numpy as np
import pytest

import eightbit
from eightbit.frontend import load
from eightbit.frontend.samples import read
from eightbit.frontend.simplify import simplify
from eightbit.reporting import metrics
from models import conv_relu, dense, model, node, one, samples, weights


def test_sqnr_is_signal_over_noise_in_decibels() -> None:
    assert metrics.sqnr(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20.0)


def test_equal_arrays_have_no_finite_ratio() -> None:
    assert metrics.sqnr(np.ones(3), np.ones(3)) is None


def test_noise_is_measured_at_the_input_of_the_last_softmax() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Softmax", "a", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 3]}, {"w": weights(4, 3)})
    build = eightbit.compile(proto, samples(4))
    value, call = metrics.logits(simplify(load.load(proto)), build.program)
    assert value == "a"
    assert call is not None
    assert call.op == "softmax"
    assert metrics.logits(simplify(load.load(dense())), eightbit.compile(dense(), samples(4)).program) == ("y", None)


def test_accuracies_need_labels_and_agreement_does_not() -> None:
    build = eightbit.compile(dense(), samples(4, count=20))
    x = samples(4, count=20)
    best = build.simulate_float(x)["y"].reshape(20, 3).argmax(axis=1)
    assert eightbit.evaluate(build, dense(), x)["accuracy_fixed"] is None
    labelled = eightbit.evaluate(build, dense(), {"x": x, "labels": best})
    assert labelled["accuracy_fixed"] == 1.0
    assert labelled["samples"] == 20


def test_a_build_of_another_model_is_refused() -> None:
    program = eightbit.compile(dense(), samples(4)).program
    with pytest.raises(eightbit.InputError, match="another model"):
        metrics.check_same_model(simplify(load.load(conv_relu())), program)


def test_reconstruction_is_the_mean_squared_difference_of_input_and_output() -> None:
    proto = one("Gemm", [1, 4], {"w": weights(4, 4)})
    build, x = eightbit.compile(proto, samples(4)), samples(4, count=20)
    graph = simplify(load.load(proto))
    result = metrics.reconstruction(graph, build.program, read(x, {"x": (1, 4)}))
    got = build.simulate_float(x)["y"].reshape(20, 4)
    assert result["reconstruction_fixed"] == pytest.approx(((x.reshape(20, 4) - got) ** 2).mean())
    assert result["reconstruction_float"] == pytest.approx(result["reconstruction_fixed"], rel=0.05)
    assert result["sqnr_db"] > 20
    assert set(result) == {"samples", "reconstruction_float", "reconstruction_fixed", "sqnr_db"}


def test_reconstruction_of_a_classifier_is_refused_with_a_hint() -> None:
    build = eightbit.compile(dense(), samples(4))
    with pytest.raises(eightbit.InputError, match="reconstructs nothing") as refusal:
        metrics.reconstruction(simplify(load.load(dense())), build.program, read(samples(4), {"x": (1, 4)}))
    assert "autoencoder" in refusal.value.hint
