# SPDX-License-Identifier: Apache-2.0
"""Inputs of pixels and integers: ranges that snap or are given, and the C that turns a camera's bytes into values."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from onnx import TensorProto

import eightbit
from camera_networks import cast, input_of, network, pixels
from eightbit.cli import main
from eightbit.frontend import samples
from eightbit.ir.fixed import quantise
from eightbit.ptq import input_ranges
from models import model, node

STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
UNIT = float(np.float32(1 / 255))
ALL_BYTES = """
#include "{name}.h"
#include <stdio.h>

int main(void)
{{
    e8_s8 values[300];
    e8_u8 *pixels = (e8_u8 *)values;
    int i, wrong = 0;

    for (i = 0; i < 300; i++)
        pixels[i] = (e8_u8)(i & 255);
    {name}_input_pixels(values, 256);
    for (i = 0; i < 256; i++)
        wrong += values[i] != (i - 128) || {macro}_INPUT_PIXEL(i) != values[i];
    for (; i < 300; i++)
        wrong += pixels[i] != (i & 255); /* beyond n nothing is written */
    printf("%d\\n", wrong);
    return wrong != 0;
}}
"""


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 255, (1.0, -128)),
        (3, 250, (1.0, -128)),  # zero is always in a range
        (-5, 260, (1.0, -128)),
        (0, 1, (UNIT, -128)),
        (0.01, 0.985, (UNIT, -128)),
        (-0.019, 1.019, (UNIT, -128)),
    ],
)
def test_a_range_near_that_of_pixels_becomes_exactly_that(low: float, high: float, expected: tuple[float, int]) -> None:
    build = eightbit.compile(network(), pixels(low, high))
    assert input_of(build) == expected
    said = "themselves" if expected[0] == 1 else "p / 255"
    assert build.report()["notes"][0].endswith(f"uint8 pixels p, which stand for {said}: write p ^ 0x80")


@pytest.mark.parametrize(("low", "high"), [(0, 16), (0, 249), (0, 261), (-6, 255), (-0.03, 1), (0, 0.97), (-1, 1)])
def test_other_ranges_stay_as_measured(low: float, high: float) -> None:
    build = eightbit.compile(network(), pixels(low, high))
    assert input_of(build) not in ((1.0, -128), (UNIT, -128))
    assert "_PIXEL(" not in build.emission.files["graph.h"]
    low, high = np.float32([low, high]).tolist()
    assert build.calibration is not None
    measured = build.calibration.ranges["x"]
    assert measured[0] == pytest.approx(low, rel=1e-3)
    assert measured[1] == pytest.approx(high, rel=1e-3)


@pytest.mark.parametrize(("unit", "scale"), [(1.0, 1.0), (255.0, UNIT)])
def test_a_pixel_is_quantised_to_itself_with_its_top_bit_flipped(unit: float, scale: float) -> None:
    byte = np.arange(256)
    flipped = (byte ^ 0x80).astype(np.uint8).view(np.int8)
    for real in (byte / unit, (byte / unit).astype(np.float32)):
        assert np.array_equal(quantise(real, scale, -128), flipped)


@pytest.mark.parametrize("cc", ["gcc", "clang", "g++", "gcc -funsigned-char"])
@pytest.mark.parametrize("high", [1, 255])
def test_the_c_helpers_turn_every_byte_into_its_value_in_place(tmp_path: Path, cc: str, high: int) -> None:
    build = eightbit.compile(network(), pixels(0, high), name="cam")
    out = build.write(tmp_path / "out")
    (tmp_path / "main.c").write_text(ALL_BYTES.format(name="cam", macro="CAM"))
    language = ["-x", "c++", "-std=c++17"] if cc == "g++" else ["-std=c99"]
    command = [*cc.split(), *language, *STRICT, "-fsanitize=undefined", f"-I{out}", tmp_path / "main.c"]
    subprocess.run([*command, "-o", tmp_path / "run"], check=True)
    assert subprocess.run([tmp_path / "run"], capture_output=True, text=True, check=True).stdout == "0\n"
    readme = (out / "README.md").read_text()
    assert "cam_input_pixels(cam_input(&net), CAM_INPUT_SIZE);" in readme
    assert ("stands for p;" if high == 255 else "stands for p / 255;") in readme


@pytest.mark.parametrize("kind", ["uint8", "int8", "float32", "float64"])
def test_samples_of_any_number_type_are_what_they_say(tmp_path: Path, kind: str) -> None:
    x = pixels(0, 100).astype(np.int8)
    np.savez(tmp_path / "x.npz", x=x.astype(kind))
    expected = eightbit.compile(network(), x.astype(np.float32))
    build = eightbit.compile(network(), tmp_path / "x.npz")
    assert build.files() == expected.files()
    assert build.verify(tmp_path / "x.npz").ok


@pytest.mark.parametrize(
    ("given", "stored"), [((0, 255), (0.0, 255.0)), ({"x": (-1.5, 1)}, (-1.5, 1.0)), ((10, 300), (0.0, 300.0))]
)
def test_a_given_range_is_taken_and_kept_in_the_calibration(
    tmp_path: Path, given: input_ranges.Given, stored: tuple[float, float]
) -> None:
    build = eightbit.compile(network(), pixels(0, 1), input_range=given)
    assert build.calibration is not None
    assert build.calibration.ranges["x"] == stored
    path = build.write(tmp_path / "out") / "calibration.json"
    for again in (eightbit.compile(network(), path), eightbit.compile(network(), path, input_range=given)):
        assert again.files() == build.files()


def test_inputs_get_their_ranges_by_name() -> None:
    nodes = [node("Add", "a/0 b=1", "y")]
    proto = model(nodes, {"a/0": [1, 4], "b=1": [1, 4]}, {"y": [1, 4]})
    x = np.random.default_rng(0).uniform(0, 0.5, (8, 4))
    build = eightbit.compile(proto, {"a/0": x, "b=1": x}, input_range=input_ranges.parse(["b=1=0,1", "a/0=-2,2"]))
    assert build.calibration is not None
    assert build.calibration.ranges["a/0"] == (-2.0, 2.0)
    assert build.calibration.ranges["b=1"] == (0.0, 1.0)
    assert "#define GRAPH_INPUT_B_1_PIXEL(p)" in build.emission.files["graph.h"]
    with pytest.raises(eightbit.InputError, match="the range of which input"):
        eightbit.compile(proto, {"a/0": x, "b=1": x}, input_range=(0, 1))


WRONG = {
    "0": "cannot read '0'",
    "0,1,2": "cannot read '0,1,2'",
    "a,b": "cannot read 'a,b'",
    "": "cannot read ''",
    "x=": "cannot read 'x='",
    "1,0": "no range of input 'x'",
    "0,0": "no range of input 'x'",
    "nan,1": "no range of input 'x'",
    "0,inf": "no range of input 'x'",
    "0,1e30": "no range of input 'x'",
    "0,1e-30": "no range of input 'x'",
    "z=0,1": "there is no input 'z'",
    "0,1": "are not in its range [0, 1]",
    "-9,-3": "are not in its range [-9, 0]",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_input_range_is_refused_and_leaves_nothing_behind(tmp_path: Path, text: str) -> None:
    onnx.save(network(), tmp_path / "net.onnx")
    np.savez(tmp_path / "x.npz", x=pixels())
    paths = [str(tmp_path / "net.onnx"), "--calibration", str(tmp_path / "x.npz"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["compile", *paths, "--input-range", text])
    assert done.exit_code == 2
    assert f"error: {WRONG[text]}" in done.stderr or WRONG[text] in done.stderr
    assert "where: --input-range" in done.stderr
    assert not (tmp_path / "out").exists()


def test_one_input_has_one_range() -> None:
    with pytest.raises(eightbit.InputError, match="a second range of one input"):
        input_ranges.parse(["x=0,1", "x=0,2"])


def test_the_range_of_an_input_of_integers_cannot_be_given() -> None:
    proto = network(TensorProto.UINT8, (cast("x", "f"),))
    with pytest.raises(eightbit.InputError, match="input 'x' has a range") as refused:
        eightbit.compile(proto, pixels().astype(np.uint8), input_range=(0, 200))
    assert refused.value.why == "it is of type uint8"


def test_a_range_that_a_calibration_or_a_program_does_not_have_is_refused(tmp_path: Path) -> None:
    out = eightbit.compile(network(), pixels()).write(tmp_path / "out")
    for model_, calibration in ((network(), out / "calibration.json"), (out / "program.txt", None)):
        with pytest.raises(eightbit.InputError, match="--input-range comes too late"):
            eightbit.compile(model_, calibration, input_range=(0, 200))


def test_the_command_line_takes_ranges_that_begin_with_a_minus(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "net.onnx")
    np.savez(tmp_path / "x.npz", x=pixels(-1, 1))
    paths = [str(tmp_path / "net.onnx"), "--calibration", str(tmp_path / "x.npz"), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["compile", *paths, "--input-range", "-1,1"])
    assert done.exit_code == 0, done.stderr
    assert '"x": [\n   -1.0,\n   1.0\n  ]' in (tmp_path / "out" / "calibration.json").read_text()


def test_labels_and_rows_of_an_input_of_integers_are_read_as_ever() -> None:
    proto = network(TensorProto.UINT8, (cast("x", "f"),))
    x = pixels(count=5).astype(np.uint8)
    build = eightbit.compile(proto, {"x": x, "labels": np.zeros(5, np.int64)})
    assert eightbit.evaluate(build, proto, {"x": x, "labels": np.zeros(5, np.int64)})["samples"] == 5
    assert samples.read(x, {"x": (1, 6, 5, 3)}).count == 5


def test_samples_that_use_little_of_a_given_range_are_noted() -> None:
    notes = {high: eightbit.compile(network(), pixels(0, 1, 40), input_range=(0, high)).notes for high in (1, 255)}
    assert not any("sixteenth" in note for note in notes[1])
    assert any("use less than a sixteenth of its range [0, 255]" in note for note in notes[255])


@pytest.mark.parametrize(("count", "noted"), [(1, True), (19, True), (20, False)])
def test_few_samples_are_noted(count: int, noted: bool) -> None:
    assert any(note.startswith("only ") for note in eightbit.compile(network(), pixels(0, 1, count)).notes) == noted


@pytest.mark.parametrize("pair", [(0,), (0, 1, 2), ("a", "b"), 5])
def test_what_is_no_pair_of_numbers_is_refused(pair: Any) -> None:
    with pytest.raises(eightbit.InputError, match="is no range of input"):
        eightbit.compile(network(), pixels(0, 1), input_range=pair)
