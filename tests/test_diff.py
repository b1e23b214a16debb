# SPDX-License-Identifier: Apache-2.0
"""`eightbit diff`: what changed between two builds, and whether their bits are the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

import eightbit
from eightbit import cli
from eightbit.diff import diff
from eightbit.ir import program_text
from eightbit.version import NUMERICS, tool_version
from models import conv_relu, dense, model, node, samples, weights
from random_graphs import random_model

CHOICES = [("cortex-m4", "arena", "speed"), ("generic", "caller", "speed"), ("cortex-m0plus", "caller", "size")]


def chain(*middle: str) -> onnx.ModelProto:
    """x -> Gemm -> the given operators -> Gemm -> y."""
    nodes = [node("Gemm", "x w", "h")]
    for op in middle:
        nodes.append(node(op, nodes[-1].output[0], f"after_{op}"))
    nodes.append(node("Gemm", f"{nodes[-1].output[0]} v", "y"))
    return model(nodes, {"x": [1, 4]}, {"y": [1, 3]}, {"w": weights(4, 5), "v": weights(5, 3)})


@pytest.fixture(scope="module")
def build() -> eightbit.Build:
    return eightbit.compile(chain("Tanh"), samples(4))


def changed(build: eightbit.Build, number: int, **fields: Any) -> eightbit.Build:
    """The build with another call of that number."""
    calls = list(build.program.calls)
    calls[number] = replace(calls[number], **fields)
    return replace(build, program=replace(build.program, calls=tuple(calls)))


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli.main, ["diff", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result.exit_code, result.output


def test_a_build_does_not_differ_from_itself(build: eightbit.Build) -> None:
    found = diff(build, build)
    assert found.same_bits
    assert found.empty
    assert list(found.lines()) == []


@pytest.mark.parametrize(("target", "io", "optimize"), CHOICES)
def test_how_the_c_is_made_changes_no_bit_and_is_told(target: str, io: str, optimize: str) -> None:
    first = eightbit.compile(conv_relu(), samples(2, 5, 5))
    other = eightbit.compile(conv_relu(), samples(2, 5, 5), target=target, io=io, optimize=optimize)
    found = diff(first, other)
    assert found.same_bits
    chosen = {"target": ("generic", target), "io": ("arena", io), "optimize": ("speed", optimize)}
    assert found.options == {key: pair for key, pair in chosen.items() if pair[0] != pair[1]}
    for key, (before, after) in found.sizes.items():
        assert (first.report()[key], other.report()[key]) == (before, after)
        assert before != after
    kernels = [[kernel.symbol for kernel in made.selection.kernels.values()] for made in (first, other)]
    told = [layer.changes["kernel"] for layer in found.changed]
    assert told == [pair for pair in zip(*kernels, strict=True) if pair[0] != pair[1]]


def test_one_changed_weight_is_one_changed_weight(build: eightbit.Build) -> None:
    array = build.program.calls[0].consts["weights"].copy()
    array.reshape(-1)[3] ^= 1
    found = diff(build, changed(build, 0, consts=build.program.calls[0].consts | {"weights": array}))
    assert not found.same_bits
    (layer,) = found.changed
    assert layer.changes == {"constants": {"weights": (1, 20)}}
    assert str(layer) == "fc_1: 1 of 20 weights differ"


def test_a_changed_parameter_is_told_with_both_values(build: eightbit.Build) -> None:
    params = build.program.calls[0].params
    found = diff(build, changed(build, 0, params=replace(params, act_max=100)))
    assert not found.same_bits
    assert [str(layer) for layer in found.changed] == ["fc_1: act_max 127 -> 100"]


def test_a_layer_more_is_told_and_those_behind_it_are_recognised() -> None:
    first, other = (eightbit.compile(chain(*middle), samples(4)) for middle in (["Tanh"], ["Sigmoid", "Tanh"]))
    found = diff(first, other)
    assert [name.split()[0] for name in found.added] == ["lut_2"]
    assert "Sigmoid" in found.added[0]
    assert not found.removed
    assert not found.same_bits
    assert {layer.name: layer.was for layer in found.changed} == {"lut_3": "lut_2", "fc_4": "fc_3"}
    back = diff(other, first)
    assert (list(back.added), back.removed) == ([], found.added)


def test_layers_whose_values_were_renamed_are_still_recognised(build: eightbit.Build) -> None:
    other = chain("Tanh")
    for old, new in (("h", "hidden"), ("after_Tanh", "t"), ("y", "scores")):
        for item in other.graph.node:
            for ends in (item.input, item.output):
                ends[:] = [new if name == old else name for name in ends]
    other.graph.output[0].name = "scores"
    found = diff(build, eightbit.compile(other, samples(4)))
    assert found.same_bits
    assert not found.added


def test_another_range_of_an_input_is_told_with_its_ends() -> None:
    first, other = (eightbit.compile(dense(), samples(4), input_range=pair) for pair in ((-4, 4), (-2, 2)))
    found = diff(first, other)
    assert not found.same_bits
    port = next(port for port in found.ports if port.name == "x")
    assert [round(end) for end in (*port.changes["range"][0], *port.changes["range"][1])] == [-4, 4, -2, 2]


def two_outputs(names: str) -> eightbit.Build:
    """x -> Relu -> a -> Tanh -> b, with the named outputs."""
    nodes = [node("Relu", "x", "a"), node("Tanh", "a", "b")]
    return eightbit.compile(model(nodes, {"x": [1, 4]}, {name: [1, 4] for name in names}), samples(4))


def test_outputs_that_changed_places_have_other_bits() -> None:
    assert not diff(two_outputs("ab"), two_outputs("ba")).same_bits


def test_an_output_more_is_told() -> None:
    found = diff(two_outputs("b"), two_outputs("ba"))
    assert not found.same_bits
    assert ("a", "none") in [(port.name, port.was) for port in found.ports]


@pytest.mark.parametrize("seed", range(1, 13))
def test_builds_that_are_said_to_have_the_same_bits_simulate_alike(seed: int) -> None:
    proto, calibration, fresh = random_model(seed)
    first = eightbit.compile(proto, calibration)
    for other in (
        eightbit.compile(proto, calibration, target="cortex-m4", optimize="size"),
        eightbit.compile(proto, {name: rows[:16] for name, rows in calibration.items()}),
        eightbit.compile(proto, calibration, coordinate_descent=False),
    ):
        if diff(first, other).same_bits:
            pairs = zip(first.simulate(fresh).values(), other.simulate(fresh).values(), strict=True)
            assert all(np.array_equal(one, two) for one, two in pairs)
        else:
            assert program_text.print_program(first.program) != program_text.print_program(other.program)


@pytest.mark.parametrize(("target", "io", "optimize"), CHOICES)
def test_a_saved_program_compiles_with_every_option_as_its_model_does(
    target: str, io: str, optimize: str, tmp_path: Path
) -> None:
    options = {"target": target, "io": io, "optimize": optimize}
    eightbit.compile(conv_relu(), samples(2, 5, 5), name="net").write(tmp_path / "out")
    again = eightbit.compile(tmp_path / "out" / "program.txt", **options)
    direct = eightbit.compile(conv_relu(), samples(2, 5, 5), name="net", **options)
    files, others = dict(direct.files()), dict(again.files())
    assert files.pop("report.html") != others.pop("report.html")  # the notes, as in report.json
    assert json.loads(files.pop("report.json")) | {"notes": []} == json.loads(others.pop("report.json"))
    assert files == others
    assert diff(direct, again).empty


def test_the_command_reads_folders_and_programs(build: eightbit.Build, tmp_path: Path) -> None:
    build.write(tmp_path / "a")
    eightbit.compile(chain("Tanh"), samples(4), target="cortex-m4", io="caller").write(tmp_path / "b")
    eightbit.compile(chain("Sigmoid"), samples(4)).write(tmp_path / "c")
    status, output = run(tmp_path / "a", tmp_path / "b")
    assert status == 0
    assert "the same bits" in output
    assert "target: generic -> cortex-m4" in output
    assert run(tmp_path / "a", tmp_path / "a" / "program.txt") == (
        0,
        f"{tmp_path / 'a'} -> {tmp_path / 'a' / 'program.txt'}: nothing changed\n",
    )
    status, output = run(tmp_path / "a" / "program.txt", tmp_path / "c", "--json")
    assert status == 1
    document = json.loads(output)
    assert document["same_bits"] is False
    assert {"options", "sizes", "ports", "added", "removed", "changed"} < set(document)


def test_a_build_of_another_version_is_told_apart(build: eightbit.Build, tmp_path: Path) -> None:
    replace(build, version="0.0.1").write(tmp_path / "a")
    build.write(tmp_path / "b")
    replace(build, numerics=NUMERICS + 1).write(tmp_path / "c")
    status, output = run(tmp_path / "a", tmp_path / "b")
    assert status == 0
    assert f"version: 0.0.1 -> {tool_version()}" in output
    status, output = run(tmp_path / "b", tmp_path / "c")
    assert status == 1
    assert f"numerics: {NUMERICS} -> {NUMERICS + 1}" in output


def test_what_is_no_build_is_refused(build: eightbit.Build, tmp_path: Path) -> None:
    build.write(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "none", tmp_path / "none.txt"):
        status, output = run(tmp_path / "a", path)
        assert status == 2, output
