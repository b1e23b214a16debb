# SPDX-License-Identifier: Apache-2.0
"""`eightbit check`: every obstacle at once, or what a model will cost before any sample is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import eightbit
import real
from command_line import answer, refused, run
from eightbit import checkup, estimate, ops, pipeline, target
from eightbit.frontend.float_run import FloatModelError
from eightbit.options import Options
from models import conv_relu, dense, model, node, one, samples, weights

DENSE = dense().SerializeToString()


def three_operators_and_two_sizes() -> onnx.ModelProto:
    """x [N, 1, H, W] -> Conv -> Erf -> Reshape to the sizes of the Conv's output, calculated -> Sin -> ArgMax."""
    nodes = [
        node("Conv", "x w", "c"),
        node("Shape", "c", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n axes", "u"),
        node("Concat", "u rest", "t", axis=0),
        node("Erf", "c", "e", name="gelu"),
        node("Reshape", "e t", "f"),
        node("Sin", "f", "g"),
        node("Cos", "g", "y"),
    ]
    consts = {"w": weights(3, 1, 3, 3), "zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    return model(nodes, {"x": ["N", 1, "H", "W"]}, {"y": ["N", "M"]}, consts)


def test_sizes_and_operators_are_told_at_once_and_arithmetic_on_sizes_is_no_obstacle(tmp_path: Path) -> None:
    onnx.save(three_operators_and_two_sizes(), tmp_path / "net.onnx")
    document = answer("check", tmp_path / "net.onnx", status=1)
    found = document["obstacles"]
    assert [item["reason"].split(",")[0] for item in found] == [
        "dimension 2 of input 'x' is 'H'",
        "dimension 3 of input 'x' is 'W'",
        "operator Erf is not supported",
        "operator Sin is not supported",
        "operator Cos is not supported",
    ]
    assert [item["operator"] for item in found] == ["", "", "Erf", "Sin", "Cos"]
    assert found[2]["node"] == "gelu"
    assert all(set(item) == {"where", "node", "operator", "reason", "hint"} and item["hint"] for item in found)
    assert "--shape x=1,1,?,?" in found[0]["hint"]
    assert all(item["hint"].startswith("cut it off") for item in found[2:])  # nothing that compiles comes after them
    assert "macs_most" not in document


def test_shapes_that_are_asked_for_leave_the_operators(tmp_path: Path) -> None:
    onnx.save(three_operators_and_two_sizes(), tmp_path / "net.onnx")
    document = answer("check", tmp_path / "net.onnx", "--shape", "x=1,1,9,8", status=1)
    assert [item["operator"] for item in document["obstacles"]] == ["Erf", "Sin", "Cos"]


def test_the_table_names_what_the_json_does(tmp_path: Path) -> None:
    onnx.save(three_operators_and_two_sizes(), tmp_path / "net.onnx")
    result = run("check", tmp_path / "net.onnx")
    assert result.exit_code == 1
    assert result.stdout.startswith("net: 5 obstacles\n")
    assert all(word in result.stdout for word in ("(Erf)", "Sin", "Cos", "dimension 2"))


def test_the_same_obstacles_stop_compile_in_one_run() -> None:
    proto = three_operators_and_two_sizes()
    with pytest.raises(eightbit.InputError, match="has 5 obstacles") as caught:
        eightbit.compile(proto, samples(1, 5, 5))
    assert all(item.why in caught.value.why for item in checkup.check_model(proto).obstacles)


@pytest.mark.parametrize(
    ("proto", "told"),
    [
        (one("Relu", [1, 4], opset=6), "it imports [6] of ONNX's own operators"),
        (one("Gemn", [1, 4]), "there is no operator 'Gemn' in opset 17 of ONNX"),
        (one("Erf", [1, 4]), "operator Erf is not supported"),
        (one("Conv", [1, 2, 5, 5], {"w": np.full((2, 2, 3, 3), np.nan)}), "'w' must lie within"),
        (one("Relu", None), "is not a tensor of known shape"),
        (one("QuantizeLinear", [1, 4], {"s": np.float32(1)}), "it holds QuantizeLinear"),
    ],
)
def test_what_is_a_model_but_cannot_be_compiled_is_the_answer_no(
    tmp_path: Path, proto: onnx.ModelProto, told: str
) -> None:
    onnx.save(proto, tmp_path / "net.onnx")
    document = answer("check", tmp_path / "net.onnx", status=1)
    (obstacle,) = document["obstacles"]
    assert Path(document["name"]).stem == "net"
    assert told in obstacle["reason"]
    assert obstacle["where"]
    assert obstacle["hint"]


@pytest.mark.parametrize("content", [b"", b"hello", DENSE[:50], dense().graph.SerializeToString()])
def test_what_is_no_model_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    refused("check", tmp_path / "net.onnx")


def test_a_size_beyond_16_bits_is_told_of_each_tensor_that_has_it() -> None:
    found = checkup.check_model(one("Relu", [1, 40_000])).obstacles
    assert [item.where for item in found] == ["tensor input", "tensor clamp_1", "clamp_1"]
    assert all("40000" in item.why for item in found)


def test_an_operator_with_a_slip_is_told_with_the_right_name() -> None:
    (obstacle,) = checkup.check_model(one("Sigmoyd", [1, 4])).obstacles
    assert "did you mean 'Sigmoid'" in obstacle.hint


# --- figures -------------------------------------------------------------------------------------------------


def test_what_a_model_costs_is_what_its_build_says(tmp_path: Path) -> None:
    proto, x = conv_relu(), samples(2, 5, 5, count=20)
    onnx.save(proto, tmp_path / "net.onnx")
    document = answer("check", tmp_path / "net.onnx")
    assert document["obstacles"] == []
    build = eightbit.compile(proto, x, optimize="size")
    assert document["macs_most"] == document["macs_estimate"] == build.report()["macs"] == 9 * 2 * 9 * 3
    assert document["constant_bytes_most"] == build.report()["weight_bytes"]
    assert document["ram_bytes_bound"] == build.report()["arena_bound_bytes"]
    assert document["parameters"] == 3 * 2 * 9 + 3
    assert document["flash_bytes_estimate"] > document["constant_bytes_most"]
    rows = {row["target"]: row for row in document["targets"]}
    assert list(rows) == target.names()
    for name in ("avr-atmega2560", "cortex-m4"):
        report = eightbit.compile(proto, x, target=name).report()
        assert (rows[name]["ram_bytes"], rows[name]["constant_bytes"]) == (
            report["context_bytes"],
            report["weight_bytes"],
        )


def test_channels_that_are_switched_off_are_told_apart_from_the_whole() -> None:
    w = weights(8, 2, 3, 3)
    w[2:] *= 1e-12
    proto = model(
        [node("Conv", "x w", "h"), node("Conv", "h v", "y")],
        {"x": [1, 2, 6, 6]},
        {"y": None},
        {"w": w, "v": weights(3, 8, 1, 1)},
    )
    found = checkup.check_model(proto).estimate
    assert found is not None
    assert found.macs_most == 16 * (9 * 2 * 8 + 8 * 3)
    assert found.macs == 16 * (9 * 2 * 2 + 2 * 3)
    assert ops.total_macs(eightbit.compile(proto, samples(2, 6, 6)).program) == found.macs


def test_the_table_says_which_boards_a_model_fits_and_which_targets_have_no_limit(tmp_path: Path) -> None:
    onnx.save(one("Tanh", [1, 2000, 3]), tmp_path / "net.onnx")
    rows = {row["target"]: row["fits"] for row in answer("check", tmp_path / "net.onnx")["targets"]}
    assert (rows["avr-atmega2560"], rows["microbit"], rows["generic"]) == ("no", "yes", "yes")
    result = run("check", tmp_path / "net.onnx")
    assert result.exit_code == 0
    assert result.stdout.startswith("net: no obstacle\n")
    (free,) = [
        line for line in result.stdout.splitlines() if line.startswith("cores that have no memories of their own: ")
    ]
    assert "generic" in free
    assert "microbit" not in free


def test_a_board_that_is_too_small_is_an_obstacle_where_it_is_asked_about(tmp_path: Path) -> None:
    onnx.save(one("Tanh", [1, 2000, 3]), tmp_path / "net.onnx")
    document = answer("check", tmp_path / "net.onnx", "--target", "avr-atmega2560", status=1)
    (obstacle,) = document["obstacles"]
    assert obstacle["where"] == "target avr-atmega2560"
    assert "8192" in obstacle["reason"]
    assert "microbit" in obstacle["hint"]
    assert [row["target"] for row in document["targets"]] == ["avr-atmega2560"]
    assert answer("check", tmp_path / "net.onnx", "--target", "microbit")["obstacles"] == []
    assert "did you mean 'microbit'" in refused("check", tmp_path / "net.onnx", "--target", "microbid")["hint"]


def test_a_batch_that_is_assumed_is_said(tmp_path: Path) -> None:
    onnx.save(one("Relu", ["N", 4]), tmp_path / "net.onnx")
    assert answer("check", tmp_path / "net.onnx")["notes"] == [
        "input 'x': first dimension ('N') is taken as a batch of 1"
    ]


def test_a_model_that_noise_is_too_much_for_is_estimated_all_the_same() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Gemm", "a w", "b"), node("Gemm", "b w", "y")]
    proto = model(nodes, {"x": [1, 4]}, {"y": None}, {"w": weights(4, 4) * np.float32(1e17)})
    assert checkup.check_model(proto).estimate is not None


def test_a_model_that_the_float_runtime_does_not_take_is_no_model_that_compiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> None:
        raise FloatModelError("the float model does not run", where="ONNX Runtime", why="no", hint="look")

    monkeypatch.setattr(estimate, "calibrate", fail)
    (obstacle,) = checkup.check_model(dense()).obstacles
    assert (obstacle.where, obstacle.why) == ("the float model does not run in ONNX Runtime", "no")


def networks() -> list[Any]:
    return [pytest.param(network, id=network.name) for network in real.TINY.values()]


@pytest.mark.skipif(real.folder() is None, reason=f"{real.VARIABLE} is not set")
@pytest.mark.parametrize("network", networks())
def test_real_networks_cost_about_what_they_do_with_samples(network: real.Network) -> None:
    found = checkup.check_model(real.path(network)).estimate
    assert found is not None
    few = {name: array[:16] for name, array in real.calibration(network).items()}
    report = pipeline.compile_model(real.path(network), few, Options(optimize="size")).report()
    assert found.macs_most == report["macs_model"]
    assert report["macs"] <= found.macs_most
    assert abs(found.macs - report["macs"]) <= 0.03 * report["macs"]
    assert abs(found.likely.flash - report["weight_bytes"]) <= 0.03 * report["weight_bytes"]
    assert found.likely.ram_bound <= found.most.ram_bound


def test_long_names_of_nodes_are_shown_in_full(tmp_path: Path) -> None:
    name = "/features/features.17/conv/conv.1/conv.1.0/squeeze_excitation/Multiply_1"
    nodes = [node("Erf", "x", "y", name=name)]
    onnx.save(model(nodes, {"x": [1, 4]}, {"y": None}), tmp_path / "net.onnx")
    shown = run("check", tmp_path / "net.onnx").stdout
    assert "…" not in shown
    cells = [line.split("│")[1].strip() for line in shown.splitlines() if line.startswith("│")]
    assert name in "".join(cells)
