# SPDX-License-Identifier: Apache-2.0
"""Calibration: exact ranges and tails, outward rounding, bias correction, and the file that reproduces a build."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import eightbit
from eightbit import simulate
from eightbit.frontend import load
from eightbit.frontend import samples as sampling
from eightbit.frontend.simplify import simplify
from eightbit.ir.program import Program
from eightbit.ptq import calibrate, correct, quantize
from models import conv_relu, model, node, samples, weights


@given(st.floats(1e-30, 1e30), st.sampled_from([-1, 1]))
def test_ranges_are_rounded_outward_to_12_bits(value: float, sign: int) -> None:
    rounded = calibrate.outward(sign * value, sign)
    assert abs(rounded) >= value
    assert abs(rounded) <= value * (1 + 2**-11)
    assert rounded == calibrate.outward(rounded, sign)


@given(
    st.lists(st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30), min_size=1, max_size=5),
    st.integers(0, 3),
)
def test_extremes_of_a_stream_leave_out_exactly_the_dropped_values(parts: list[list[float]], drop: int) -> None:
    observer = calibrate._Extremes(drop)
    for part in parts:
        observer.see(np.array(part, np.float32))
    values = np.sort(np.concatenate([np.array(p, np.float32) for p in parts]))
    drop = min(drop, values.size - 1)
    low, high = float(values[drop]), float(values[-1 - drop])
    assert observer.range(margin=False) == (min(0.0, low), max(0.0, high))
    wider = (high - low) / np.sqrt(values.size)
    assert observer.range(margin=True) == (min(0.0, low - wider), max(0.0, high + wider))


def test_only_large_convolution_outputs_lose_their_tails() -> None:
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Tanh", "b", "y")]
    consts = {"w": weights(2, 1, 1, 1)}
    large = simplify(load.load(model(nodes[:2], {"x": [1, 1, 20, 20]}, {"b": [1, 2, 20, 20]}, consts)))
    assert calibrate._dropped(large, "a", 1000) == 0  # a model output keeps its range
    inner = simplify(load.load(model(nodes, {"x": [1, 1, 20, 20]}, {"y": [1, 2, 20, 20]}, consts)))
    assert calibrate._dropped(inner, "a", 1000) == 8
    small = simplify(load.load(model(nodes, {"x": [1, 1, 9, 9]}, {"y": [1, 2, 9, 9]}, consts)))
    assert calibrate._dropped(small, "a", 10**6) == 0


def test_only_large_sums_lose_their_tails() -> None:
    nodes = [node("Relu", "x", "a"), node("Conv", "x w", "b"), node("Add", "a b", "c"), node("Tanh", "c", "y")]
    for size, dropped in ((20, 8), (9, 0)):
        shape = [1, 2, size, size]
        graph = simplify(load.load(model(nodes, {"x": shape}, {"y": shape}, {"w": weights(2, 2, 1, 1)})))
        assert calibrate._dropped(graph, "c", 1000) == dropped


def test_a_sigmoid_that_alone_reads_a_value_bounds_its_range() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Sigmoid", "a", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"w": 100 * np.eye(4)})
    graph = simplify(load.load(proto))
    found = calibrate.calibrate(graph, sampling.read(samples(4), {"x": (1, 4)}))
    assert found.ranges["a"] == (-7.25, 7.25)


def test_corrected_biases_give_every_channel_its_float_mean() -> None:
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Conv", "b v", "y")]
    proto = model(
        nodes, {"x": [1, 3, 12, 12]}, {"y": [1, 4, 8, 8]}, {"w": weights(8, 3, 3, 3), "v": weights(4, 8, 3, 3)}
    )
    graph = simplify(load.load(proto))
    given_ = sampling.read(samples(3, 12, 12, count=24), {"x": (1, 3, 12, 12)})
    found = calibrate.calibrate(graph, given_)
    plain = quantize.quantize(graph, found)
    corrected = quantize.quantize(graph, correct.correct_layers(graph, found, given_)[0])

    def offset(program: Program) -> float:
        made = simulate.outputs(program, simulate.input_batch(program, given_))
        means = simulate.real_outputs(program, made)["y"].mean(axis=(0, 1, 3, 4))
        return float(np.abs(means - found.means["y"]).max())

    step = corrected.tensors[corrected.outputs[0].tensor].scale
    assert offset(corrected) < 0.1 * step
    assert offset(corrected) < offset(plain)


def test_a_saved_calibration_gives_the_same_bytes_without_samples(tmp_path: Path) -> None:
    build = eightbit.compile(conv_relu(), samples(2, 5, 5, count=20))
    build.write(tmp_path / "out")
    again = eightbit.compile(conv_relu(), tmp_path / "out" / "calibration.json")
    assert again.files() == build.files()


def test_a_calibration_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"format": 1, "ranges": {"other": [0, 1]}, "biases": {}}))
    with pytest.raises(eightbit.InputError, match="not of this model"):
        eightbit.compile(conv_relu(), path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"format": 2, "ranges": {}, "biases": {}}', "its format is 2, not 1"),
        ('{"format": 1, "ranges": {"x": [1, 0]}, "biases": {}}', "no pair of low and high"),
        ('{"format": 1, "ranges": {"x": [0, 1, 2]}, "biases": {}}', "no pair of low and high"),
        ('{"format": 1, "ranges": {"x": ["0", 1]}, "biases": {}}', "not all finite numbers"),
        ('{"format": 1, "ranges": {"x": [0, NaN]}, "biases": {}}', "not all finite numbers"),
        ('{"format": 1, "ranges": {}, "biases": {}, "gains": {"a": [1, 65]}}', "a gain of 'a' is not within 1 and 64"),
        ('{"format": 1, "ranges": {}, "biases": {}, "gains": {"a": [0.5]}}', "a gain of 'a' is not within 1 and 64"),
        ("[" * 100_000, ""),
        ("{", ""),
    ],
)
def test_a_damaged_calibration_is_refused_with_its_reason(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(eightbit.InputError, match="cannot read the calibration") as refused:
        eightbit.compile(conv_relu(), tmp_path / "calibration.json")
    assert why in refused.value.why


def test_a_value_whose_shape_onnx_runtime_does_not_share_is_refused_by_name() -> None:
    pool = node("MaxPool", "a", "y", kernel_shape=[2, 2], strides=[2, 2])
    simple = simplify(load.load(model([node("Relu", "x", "a"), pool], {"x": [1, 2, 4, 4]}, {"y": None})))
    wrong = replace(simple, shapes=dict(simple.shapes) | {"y": (1, 2, 3, 3)})
    with pytest.raises(eightbit.InputError, match="'y' has another shape at run time") as caught:
        calibrate.calibrate(wrong, sampling.of_graph(wrong, samples(2, 4, 4)))
    assert caught.value.why == "ONNX shape inference says [1, 2, 3, 3], ONNX Runtime [1, 2, 2, 2]"
