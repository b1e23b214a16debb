# SPDX-License-Identifier: Apache-2.0
"""Channel equalisation: which values may take factors, that they change nothing in float, and what they are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import eightbit
from eightbit import pipeline
from eightbit.frontend import load
from eightbit.frontend.graph import Graph
from eightbit.frontend.simplify import simplify
from eightbit.ptq import equalize, quantize
from eightbit.ptq.recipe import Recipe
from models import model, node, samples, weights

SIZE = 12  # 144 positions: enough


def network(*, ends_in_clip: bool = False) -> onnx.ModelProto:
    """Conv, Relu, depthwise, a residual sum, pooling and a dense layer; channels of the first differ 200 times."""
    spread = np.logspace(0, -2.3, 8).astype(np.float32)
    consts = {
        "w": weights(8, 3, 3, 3) * spread[:, None, None, None],
        "wb": weights(8, seed=4) * spread * 0.1,
        "d": weights(8, 1, 3, 3, seed=2) / spread[:, None, None, None],
        "p": weights(8, 8, 1, 1, seed=3),
        "f": weights(8, 5, seed=5),
        "low": np.float32(0),
        "high": np.float32(6),
    }
    nodes = [
        node("Conv", "x w wb", "a", pads=[1, 1, 1, 1]),
        node("Clip", "a low high", "r") if ends_in_clip else node("Relu", "a", "r"),
        node("Conv", "r d", "b", group=8, pads=[1, 1, 1, 1]),
        node("Relu", "b", "c"),
        node("Conv", "c p", "e"),
        node("Add", "c e", "s"),
        node("GlobalAveragePool", "s", "g"),
        node("Flatten", "g", "h"),
        node("Gemm", "h f", "y"),
    ]
    return model(nodes, {"x": [1, 3, SIZE, SIZE]}, {"y": [1, 5]}, consts)


def graph(proto: onnx.ModelProto) -> Graph:
    return simplify(load.load(proto))


def floats(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.stack([session.run(None, {"x": row[None]})[0] for row in x])


def test_values_that_a_sum_a_pool_or_a_reshape_ties_are_one_group() -> None:
    found = equalize.groups(graph(network()))
    assert [group.values for group in found] == [("a", "r"), ("b", "c", "e", "s", "g", "h")]
    assert [[n.outputs[0] for n in group.producers] for group in found] == [["a"], ["b", "e"]]
    assert [[n.outputs[0] for n in group.consumers] for group in found] == [["b"], ["e", "y"]]


def test_an_upper_bound_keeps_a_group_from_being_scaled() -> None:
    assert [group.name for group in equalize.groups(graph(network(ends_in_clip=True)))] == ["b"]


@pytest.mark.parametrize("other", ["Sigmoid", "Tanh", "Softmax"])
def test_a_function_that_is_not_homogeneous_keeps_a_group_from_being_scaled(other: str) -> None:
    nodes = [node("Conv", "x w", "a"), node(other, "a", "b"), node("Conv", "b v", "y")]
    consts = {"w": weights(4, 3, 1, 1), "v": weights(2, 4, 1, 1)}
    assert equalize.groups(graph(model(nodes, {"x": [1, 3, SIZE, SIZE]}, {"y": [1, 2, SIZE, SIZE]}, consts))) == []


def test_small_images_and_model_outputs_are_left_alone() -> None:
    nodes = [node("Conv", "x w", "a"), node("Conv", "a v", "y")]
    consts = {"w": weights(4, 3, 1, 1), "v": weights(2, 4, 1, 1)}
    for size, outputs, count in ((10, ["y"], 1), (9, ["y"], 0), (10, ["y", "a"], 0)):
        shapes = dict.fromkeys(outputs)
        assert len(equalize.groups(graph(model(nodes, {"x": [1, 3, size, size]}, shapes, consts)))) == count


def test_factors_change_nothing_in_float() -> None:
    proto, x = network(), samples(3, SIZE, SIZE, count=8)
    simple = graph(proto)
    rng = np.random.default_rng(0)
    gains = {g.name: tuple(2.0 ** rng.integers(0, 6, g.channels)) for g in equalize.groups(simple)}
    scaled = equalize.equalized(simple, gains)
    changed = onnx.load_model_from_string(simple.model)
    del changed.graph.initializer[:]
    changed.graph.initializer.extend(
        numpy_helper.from_array(array.astype(np.float32) if array.dtype == np.float64 else array, name)
        for name, array in scaled.consts.items()
    )
    for old, new in zip(changed.graph.node, scaled.nodes, strict=True):
        old.input[:] = new.inputs
    assert np.allclose(floats(changed, x), floats(proto, x), rtol=1e-5, atol=1e-5)
    assert not np.array_equal(scaled.consts["a/weights"], simple.consts["w"])


def test_uneven_channels_gain_and_the_step_can_be_left_out() -> None:
    proto, x = network(), samples(3, SIZE, SIZE, count=40)
    noise = {}
    for equal in (True, False):
        build = eightbit.compile(proto, x, equalize=equal)
        assert build.calibration is not None
        assert bool(build.calibration.gains) == equal
        assert any("equalised" in note for note in build.notes) == equal
        error = build.simulate_float(x)["y"].reshape(40, -1) - floats(proto, x).reshape(40, -1)
        noise[equal] = float((error**2).mean())
    assert noise[True] < 0.5 * noise[False]


def test_the_report_has_the_gains_of_every_group_and_what_they_should_bring() -> None:
    build = eightbit.compile(network(), samples(3, SIZE, SIZE, count=40))
    assert build.calibration is not None
    layers = {layer["layer"]: layer["gains"] for layer in build.report()["layers"] if "gains" in layer}
    assert sorted(layers) == sorted(build.calibration.gains)
    for name, gains in build.calibration.gains.items():
        said = layers[name]
        assert (said["least"], said["largest"]) == (min(gains), max(gains))
        assert (said["channels"], said["scaled"]) == (8, sum(gain > 1 for gain in gains))
    assert layers["a"]["predicted_db"] > 6


def test_a_channel_that_is_never_above_zero_gets_no_gain() -> None:
    proto, x = network(), samples(3, SIZE, SIZE, count=20)
    bias = next(tensor for tensor in proto.graph.initializer if tensor.name == "wb")
    values = numpy_helper.to_array(bias).copy()
    values[7] = -100.0
    bias.CopyFrom(numpy_helper.from_array(values, "wb"))
    build = eightbit.compile(proto, x)
    assert build.calibration is not None
    assert build.calibration.gains["a"][7] == 1.0
    assert max(build.calibration.gains["a"]) > 4


def test_a_saved_calibration_with_gains_gives_the_same_bytes(tmp_path: Path) -> None:
    build = eightbit.compile(network(), samples(3, SIZE, SIZE, count=20))
    build.write(tmp_path / "out")
    again = eightbit.compile(network(), tmp_path / "out" / "calibration.json")
    assert again.calibration is not None
    assert again.calibration.gains
    assert again.files() == build.files()
    with pytest.raises(eightbit.InputError, match="another recipe"):
        eightbit.compile(network(), tmp_path / "out" / "calibration.json", equalize=False)


def test_gains_of_another_model_are_refused(tmp_path: Path) -> None:
    build = eightbit.compile(network(), samples(3, SIZE, SIZE, count=20))
    build.write(tmp_path / "out")
    with pytest.raises(eightbit.InputError, match="not of this model") as refused:
        eightbit.compile(network(ends_in_clip=True), tmp_path / "out" / "calibration.json")
    assert "takes no such gains" in refused.value.why


def test_steps_that_harm_on_the_samples_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    simple, x = graph(network()), samples(3, SIZE, SIZE, count=20)
    real = quantize.equalized

    def harmful(given: Graph, gains: dict[str, tuple[float, ...]]) -> Graph:
        return real(given, {name: tuple(1000.0 * g for g in factors) for name, factors in gains.items()})

    monkeypatch.setattr(quantize, "equalized", harmful)
    assert pipeline.learn(simple, {"x": x}, Recipe()).gains == {}


def test_the_correction_after_the_activation_restores_means_and_can_be_left_out() -> None:
    simple, x = graph(network()), samples(3, SIZE, SIZE, count=40)
    with_it = pipeline.learn(simple, {"x": x}, Recipe(equalize=False))
    without = pipeline.learn(simple, {"x": x}, Recipe(equalize=False, activation_correction=False))
    assert with_it.biases["a"] != without.biases["a"]
    assert with_it.biases["y"] == pytest.approx(without.biases["y"], abs=0.2)


def test_a_range_that_a_tanh_cuts_is_no_reason_to_move_a_bias() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Relu", "a", "b"), node("Tanh", "b", "c"), node("Gemm", "c v", "y")]
    consts = {"w": 10 * weights(16, 8), "v": weights(8, 4)}
    simple = graph(model(nodes, {"x": [1, 16]}, {"y": [1, 4]}, consts))
    found = [
        pipeline.learn(simple, {"x": samples(16, count=50)}, Recipe(activation_correction=on)) for on in (True, False)
    ]
    assert found[0].biases["a"] == found[1].biases["a"]


def test_an_output_that_is_the_input_in_another_shape_is_judged_too() -> None:
    nodes = [node("Conv", "x w", "y"), node("Flatten", "x", "z")]
    proto = model(nodes, {"x": [1, 2, 4, 4]}, {"y": [1, 3, 4, 4], "z": [1, 32]}, {"w": weights(3, 2, 1, 1)})
    assert eightbit.compile(proto, samples(2, 4, 4)).verify().ok


@pytest.mark.parametrize("shape", [[1, 8, 200], [1, 8, 20, 10], [1, 16, 10, 10]])
def test_a_reshape_that_splits_channels_passes_their_factors_on(shape: list[int]) -> None:
    w = weights(4, 1, 3, 3) * np.array([0.01, 0.02, 1, 1], np.float32)[:, None, None, None]
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("Reshape", "b s", "c"),
        node("Conv", "c v", "y"),
    ]
    consts = {"w": w, "v": weights(3, shape[1], *[1] * (len(shape) - 2)), "s": np.array(shape)}
    proto = model(nodes, {"x": [1, 1, 20, 20]}, {"y": None}, consts)
    x = samples(1, 20, 20, count=30)
    build = eightbit.compile(proto, x)
    assert build.calibration is not None
    assert build.calibration.gains
    assert eightbit.evaluate(build, proto, x)["sqnr_db"] > 35
