# SPDX-License-Identifier: Apache-2.0
"""Which layer loses most, by how much and why: against figures made here, on networks spoilt at one known place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

import eightbit
from eightbit.cli import main
from eightbit.frontend import load
from eightbit.frontend.samples import read
from eightbit.frontend.simplify import simplify
from eightbit.ir.fixed import dequantise, quantise
from eightbit.ptq.calibration import Fidelity
from eightbit.reporting import advice
from eightbit.reporting.observe import observe
from models import conv_relu, dense, model, node, samples, weights

Float = NDArray[np.float64]


def judged(proto: onnx.ModelProto, calibration: NDArray[Any], x: NDArray[Any], **options: Any) -> dict[str, Any]:
    build = eightbit.compile(proto, calibration, **options)
    return eightbit.evaluate(build, proto, x, layers=True)


def by_value(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {layer["value"]: layer for layer in found["layers"]}


def decibels(wanted: Float, got: Float) -> float:
    return float(10 * np.log10((wanted**2).sum() / ((wanted - got) ** 2).sum()))


def three_layers(middle: NDArray[np.float32], last: NDArray[np.float32]) -> onnx.ModelProto:
    """x [1, 8] -> Gemm u -> Gemm h -> Gemm y [1, 4]."""
    nodes = [node("Gemm", "x a", "u"), node("Gemm", "u b", "h"), node("Gemm", "h c", "y")]
    return model(nodes, {"x": [1, 8]}, {"y": [1, 4]}, {"a": weights(8, 8), "b": middle, "c": last})


def spoilt() -> onnx.ModelProto:
    """One channel of h is 1000 times the others, and y takes it 1000 times less: h needs more than eight bits."""
    factors = np.array([1000, 1, 1, 1, 1, 1, 1, 1], np.float32)
    return three_layers(weights(8, 8, seed=2) * factors, weights(8, 4, seed=3) / factors[:, None])


def test_the_isolated_error_is_that_of_one_rounded_value_in_the_float_network() -> None:
    x = samples(4, count=20)
    build = eightbit.compile(dense(), x)
    found = by_value(eightbit.evaluate(build, dense(), x, layers=True))
    w, b = (onnx.numpy_helper.to_array(t).astype(np.float64) for t in dense().graph.initializer)

    def network(values: Float) -> Float:
        return np.maximum(values @ w + b, 0)

    def rounded(values: Float, tensor: str) -> Float:
        t = build.program.tensors[tensor]
        return dequantise(quantise(values, t.scale, t.zero_point), t.scale, t.zero_point)

    exact = x.astype(np.float64)
    y, port = network(exact), build.program.outputs[0]
    assert found["x"]["isolated_db"] == pytest.approx(decibels(y, network(rounded(exact, "input"))), abs=1e-3)
    assert found["y"]["isolated_db"] == pytest.approx(decibels(y, rounded(y, port.tensor)), abs=1e-3)
    assert found["x"]["sqnr_db"] == pytest.approx(decibels(exact, rounded(exact, "input")), abs=0.006)
    made = build.simulate_float(x)["y"].reshape(20, 3)
    assert found["y"]["sqnr_db"] == pytest.approx(decibels(y, made), abs=0.006)


def test_the_noise_of_the_last_layer_is_that_of_evaluate() -> None:
    for proto, x in ((dense(), samples(4, count=20)), (conv_relu(), samples(2, 5, 5, count=20))):
        found = judged(proto, x, x)
        assert by_value(found)["y"]["sqnr_db"] == pytest.approx(found["sqnr_db"], abs=0.006)


def test_a_layer_with_one_huge_channel_is_blamed() -> None:
    x = samples(8, count=50)
    found = judged(spoilt(), x, x)
    first = found["worst"][0]
    assert first["call"] == by_value(found)["h"]["call"]
    assert "uneven channels" in first["hint"]
    assert first["isolated_db"] == by_value(found)["h"]["isolated_db"]
    others = [layer["isolated_db"] for value, layer in by_value(found).items() if value != "h"]
    assert first["isolated_db"] < min(others) - 20
    even = judged(three_layers(weights(8, 8, seed=2), weights(8, 4, seed=3)), x, x)
    assert even["sqnr_db"] > found["sqnr_db"] + 20


def test_values_beyond_the_calibrated_range_ask_for_more_samples() -> None:
    proto = three_layers(weights(8, 8, seed=2), weights(8, 4, seed=3))
    found = judged(proto, samples(8, count=50), 3 * samples(8, count=50, seed=5))
    assert all(layer["clipped"] > 0.1 for layer in found["layers"])
    assert all("more samples" in layer["hint"] for layer in found["worst"])


def test_one_value_beyond_the_range_is_a_clipped_outlier() -> None:
    x = samples(8, count=2000)
    wild = x.copy()
    wild[7, 3] = 1000
    build = eightbit.compile(three_layers(weights(8, 8, seed=2), weights(8, 4, seed=3)), x)
    found = eightbit.evaluate(build, three_layers(weights(8, 8, seed=2), weights(8, 4, seed=3)), wild, layers=True)
    entry = by_value(found)["x"]
    assert entry["clipped"] == pytest.approx(1 / wild.size, rel=0.01)
    said = next(layer["hint"] for layer in found["worst"] if layer["call"] == "input")
    assert said.startswith("a clipped outlier")


def test_an_outlier_in_the_calibration_is_told() -> None:
    x = samples(8, count=500)
    wild = x.copy()
    wild[7] = 1000
    found = judged(three_layers(weights(8, 8, seed=2), weights(8, 4, seed=3)), wild, x)
    assert all("an outlier" in layer["hint"] for layer in found["worst"])


def test_sensors_of_different_size_are_told_from_uneven_channels() -> None:
    sizes = np.array([1000, 1, 1, 1, 1, 1, 1, 1], np.float32)
    nodes = [node("Gemm", "x a", "y")]
    proto = model(nodes, {"x": [1, 8]}, {"y": [1, 4]}, {"a": weights(8, 4) / sizes[:, None]})
    x = samples(8, count=50) * sizes
    found = judged(proto, x, x)
    assert found["worst"][0]["call"] == "input"
    assert "one input scale for sensors of different size" in found["worst"][0]["hint"]


def test_gains_and_removed_channels_do_not_count_as_noise() -> None:
    w = weights(8, 2, 3, 3)
    w[3] *= 0.01  # equalisation raises it
    w[5] = 0  # and this one is left out
    nodes = [node("Conv", "x w b", "c"), node("Relu", "c", "r"), node("Conv", "r v", "y")]
    bias = np.zeros(8)
    bias[5] = -1
    proto = model(nodes, {"x": [1, 2, 14, 14]}, {"y": None}, {"w": w, "b": bias, "v": weights(4, 8, 3, 3, seed=3)})
    x = samples(2, 14, 14, count=10)
    build = eightbit.compile(proto, x)
    assert build.calibration is not None
    assert build.calibration.gains
    assert build.program.macs_model > 0
    found = by_value(eightbit.evaluate(build, proto, x, layers=True))
    assert found["r"]["sqnr_db"] > 35
    assert found["r"]["isolated_db"] > 35
    assert set(found) == {"x", "r", "y"}


def test_a_value_beside_a_branch_is_rounded_alone() -> None:
    nodes = [node("Gemm", "x a", "u"), node("Gemm", "u b", "h"), node("Add", "u h", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 4]}, {"a": weights(4, 4), "b": weights(4, 4, seed=3)})
    x = samples(4, count=20)
    build = eightbit.compile(proto, x)
    found = by_value(eightbit.evaluate(build, proto, x, layers=True))
    a, b = (onnx.numpy_helper.to_array(t).astype(np.float64) for t in proto.graph.initializer)
    u = x.astype(np.float64) @ a
    place = next(t for t in build.program.tensors.values() if t.value == "h")
    h = dequantise(quantise(u @ b, place.scale, place.zero_point), place.scale, place.zero_point)
    assert found["h"]["isolated_db"] == pytest.approx(decibels(u + u @ b, u + h), abs=1e-2)


def test_what_a_reader_cannot_tell_apart_is_neither_noise_nor_clipped() -> None:
    nodes = [node("Conv", "x w b", "h"), node("MaxPool", "h", "m", kernel_shape=[2, 2]), node("Relu", "m", "y")]
    consts = {"w": weights(3, 2, 3, 3), "b": np.full(3, -3.0)}
    proto = model(nodes, {"x": [1, 2, 8, 8]}, {"y": None}, consts)
    x = samples(2, 8, 8, count=50)
    found = by_value(judged(proto, x, x))
    assert found["h"]["clipped"] == 0
    assert found["h"]["sqnr_db"] > 30


def test_a_network_that_only_moves_elements_has_its_input() -> None:
    proto = model([node("Flatten", "x", "y")], {"x": [1, 2, 3]}, {"y": None})
    found = judged(proto, samples(2, 3, count=20), samples(2, 3, count=20))
    assert set(by_value(found)) == {"x"}
    assert found["worst"][0]["isolated_db"] == pytest.approx(found["sqnr_db"])


def test_an_output_that_the_first_does_not_depend_on_is_judged_at_itself() -> None:
    nodes = [node("Gemm", "x a", "y"), node("Gemm", "x b", "z")]
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 3], "z": [1, 2]}, {"a": weights(4, 3), "b": weights(4, 2)})
    found = by_value(judged(proto, samples(4, count=20), samples(4, count=20)))
    assert found["z"]["isolated_db"] > 40


def test_the_figures_of_the_calibration_are_those_of_its_first_samples() -> None:
    x = samples(4, count=200)
    build = eightbit.compile(dense(), x)
    graph = simplify(load.load(dense()))
    assert build.calibration is not None
    measured = observe(graph, build.calibration, build.program, read(x[:128], {"x": (1, 4)}))
    assert build.calibration.fidelity == measured.fidelity
    assert set(measured.fidelity) == {"x", "y"}


def test_noise_that_a_layer_adds_is_that_of_its_output_less_that_of_its_input() -> None:
    build = eightbit.compile(dense(), samples(4, count=20))
    figures = {"x": Fidelity(40.0, 0, 0, 1, 0), "y": Fidelity(30.0, 0, 0, 1, 0)}
    call = build.program.calls[-1]
    assert advice.added_noise(build.program, figures) == {call.name: pytest.approx(1e-3 - 1e-4)}
    assert advice.added_noise(build.program, {}) == {}


# --- refusals and the command line ---------------------------------------------------------------------------


def test_a_build_without_a_calibration_and_one_of_other_numbers_are_refused(tmp_path: Path) -> None:
    x = samples(4, count=20)
    eightbit.compile(dense(), x, name="net").write(tmp_path / "out")
    (tmp_path / "out" / "calibration.json").unlink()
    again = eightbit.compile(tmp_path / "out" / "program.txt")
    with pytest.raises(eightbit.InputError, match="cannot be judged") as refusal:
        eightbit.evaluate(again, dense(), x, layers=True)
    assert "--calibration" in refusal.value.hint
    other = dense()
    other.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights(4, 3, seed=9), "w"))
    with pytest.raises(eightbit.InputError, match="cannot be judged") as refusal:
        eightbit.evaluate(eightbit.compile(dense(), x), other, x, layers=True)
    assert refusal.value.hint == "compile the model again"


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_command_prints_every_layer_and_names_the_worst(tmp_path: Path) -> None:
    x = samples(8, count=50)
    onnx.save(spoilt(), tmp_path / "spoilt.onnx")
    np.savez(tmp_path / "x.npz", x=x)
    eightbit.compile(tmp_path / "spoilt.onnx", tmp_path / "x.npz").write(tmp_path / "out")
    arguments = ["evaluate", tmp_path / "spoilt.onnx", "--samples", tmp_path / "x.npz", "--layers"]
    result = run(*arguments, "--build", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = json.loads(run(*arguments, "--build", tmp_path / "out", "--json").stdout)
    assert [layer["value"] for layer in found["layers"]] == ["x", "u", "h", "y"]
    assert all(layer["call"] in result.output for layer in found["layers"])
    assert f"{found['worst'][0]['call']} alone leaves" in result.output
    assert json.loads(run(*arguments, "--calibration", tmp_path / "x.npz", "--json").stdout) == found
    (tmp_path / "out" / "calibration.json").unlink()
    eightbit.compile(tmp_path / "out" / "program.txt").write(tmp_path / "again")
    refused = run(*arguments, "--build", tmp_path / "again")
    assert refused.exit_code == 2
    assert "made from a program.txt" in refused.output
