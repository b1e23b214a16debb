# SPDX-License-Identifier: Apache-2.0
"""Shapes that are asked for: they fix what a model leaves open, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from command_line import answer, refused, run
from eightbit.errors import InputError
from eightbit.frontend import input_shapes
from models import model, node, samples, weights


def dynamic() -> onnx.ModelProto:
    """x [N, 2, H, W] -> Conv -> GlobalAveragePool -> y [N, 3, 1, 1]: right for any size."""
    nodes = [node("Conv", "x w", "h"), node("GlobalAveragePool", "h", "y")]
    return model(nodes, {"x": ["N", 2, "H", "W"]}, {"y": ["N", 3, 1, 1]}, {"w": weights(3, 2, 3, 3)})


def fixed() -> onnx.ModelProto:
    proto = dynamic()
    for axis, size in ((0, 1), (2, 6), (3, 5)):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
    proto.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    return proto


X = samples(2, 6, 5)


@pytest.mark.parametrize("given", [(1, 2, 6, 5), [1, 2, 6, 5], {"x": (1, 2, 6, 5)}])
def test_a_shape_gives_the_build_that_a_fixed_model_gives(given: input_shapes.Given) -> None:
    build, other = eightbit.compile(dynamic(), X, shape=given), eightbit.compile(fixed(), X)
    files, others = build.files(), other.files()
    assert {name for name in files if files[name] != others[name]} == {"report.html", "report.json"}
    assert build.notes[0] == (
        "input 'x': shape [1, 2, 6, 5] as asked for; the model leaves open "
        "dimension 0 ('N'), dimension 2 ('H'), dimension 3 ('W')"
    )
    assert build.verify(X).ok


def test_a_shape_that_the_model_has_anyway_changes_nothing() -> None:
    build, other = eightbit.compile(fixed(), X, shape=(1, 2, 6, 5)), eightbit.compile(fixed(), X)
    assert build.files() == other.files()


def test_without_a_shape_every_open_size_is_an_obstacle_with_the_option_that_fixes_it() -> None:
    with pytest.raises(InputError, match="has 2 obstacles") as caught:
        eightbit.compile(dynamic(), X)
    assert "--shape x=1,2,?,?" in caught.value.hint


def test_an_input_of_no_known_rank_gets_one() -> None:
    proto = model([node("Relu", "x", "y")], {"x": None}, {"y": None})
    assert eightbit.compile(proto, samples(3), shape=(1, 3)).program.inputs[0].shape == (1, 3)


WRONG: Mapping[str, tuple[input_shapes.Given, str]] = {
    "another rank": ((1, 2, 6), "[1, 2, 6] is not the shape of input 'x'"),
    "another size than the model's": ((1, 3, 6, 5), "[1, 3, 6, 5] is not the shape of input 'x'"),
    "a size of zero": ((1, 2, 0, 5), "[1, 2, 0, 5] is no shape of input 'x'"),
    "a size that is no number": ((1, 2, 6.5, 5), "[1, 2, 6.5, 5] is no shape of input 'x'"),
    "a size beyond 32 bits": ((1, 2, 2**40, 5), f"[1, 2, {2**40}, 5] is no shape of input 'x'"),
    "nothing": ((), "[] is no shape of input 'x'"),
    "no such input": ({"image": (1, 2, 6, 5)}, "there is no input 'image'"),
}


@pytest.mark.parametrize(("given", "told"), WRONG.values(), ids=WRONG)
def test_a_shape_that_does_not_fit_is_refused(given: input_shapes.Given, told: str) -> None:
    with pytest.raises(InputError) as caught:
        eightbit.compile(dynamic(), X, shape=given)
    assert caught.value.what == told
    assert all([caught.value.where == "--shape", caught.value.why, caught.value.hint])


def test_a_name_like_the_right_one_is_answered_with_that() -> None:
    proto = dynamic()
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "image"
    with pytest.raises(InputError) as caught:
        eightbit.compile(proto, X, shape={"imgae": (1, 2, 6, 5)})
    assert caught.value.hint.startswith("did you mean 'image'?")


def test_one_shape_cannot_serve_two_inputs() -> None:
    proto = model([node("Add", "a b", "y")], {"a": ["N", 4], "b": ["N", 4]}, {"y": None})
    with pytest.raises(InputError, match="the shape of which input"):
        eightbit.compile(proto, {"a": samples(4), "b": samples(4)}, shape=(1, 4))


@pytest.mark.parametrize("texts", [["x=1,a"], ["x="], ["1,2", "1,3"], ["x=1;2"], [""]])
def test_what_is_no_shape_is_refused(texts: list[str]) -> None:
    with pytest.raises(InputError):
        input_shapes.parse(texts)


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[..., list[str | Path]]:
    """Writes the model and its samples; gives the arguments that compile it into out/."""
    onnx.save(dynamic(), tmp_path / "net.onnx")
    np.savez(tmp_path / "s.npz", x=X)
    return lambda *more: ["compile", tmp_path / "net.onnx", "--calibration", tmp_path / "s.npz", "-o", *more]


def test_a_build_with_a_shape_is_made_again_from_what_it_saved(
    compiled: Callable[..., list[str | Path]], tmp_path: Path
) -> None:
    shape = ["--shape", "x=1,2,6,5"]
    document = answer(*compiled(tmp_path / "out"), *shape)
    assert document["notes"][0].startswith("input 'x': shape [1, 2, 6, 5] as asked for")
    saved = ["--calibration", tmp_path / "out" / "calibration.json"]
    answer(*compiled(tmp_path / "again"), *saved, *shape)
    for path in (tmp_path / "out").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()
    answer("compile", tmp_path / "out" / "program.txt", "-o", tmp_path / "third")
    for name in ("net.c", "net.h", "net_weights.inc", "program.txt"):
        assert (tmp_path / "third" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["options"]["target"] == "generic"
    late = refused("compile", tmp_path / "out" / "program.txt", "-o", tmp_path / "fourth", *shape)
    assert late["what"] == "--shape comes too late"


def test_evaluate_takes_the_same_shape(compiled: Callable[..., list[str | Path]], tmp_path: Path) -> None:
    shape = ["--shape", "1,2,6,5"]
    answer(*compiled(tmp_path / "out"), *shape)
    arguments = ["evaluate", tmp_path / "net.onnx", "--samples", tmp_path / "s.npz"]
    built = answer(*arguments, "--build", tmp_path / "out", *shape)
    assert built == answer(*arguments, "--calibration", tmp_path / "s.npz", *shape)
    without = run(*arguments, "--build", tmp_path / "out")
    assert without.exit_code == 2
    assert "--shape x=1,2,?,?" in without.stderr
    assert eightbit.evaluate(eightbit.compile(dynamic(), X, shape=(1, 2, 6, 5)), dynamic(), X, shape=(1, 2, 6, 5))
