# SPDX-License-Identifier: Apache-2.0
"""`eightbit compile`: its figures, options and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from command_line import answer, refused, run
from eightbit import pipeline
from models import model, node, one, samples

SIZES = (
    "activation_bytes scratch_bytes state_bytes control_bytes arena_bytes arena_bound_bytes io_bytes weight_bytes macs"
    " macs_model".split()
)
REPORTS = {"report.json", "report.html", "manifest.json"}


def test_compile_tells_every_size_in_json_and_in_words_what_people_ask_first(folder: Path, tmp_path: Path) -> None:
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    document = answer(*arguments)
    assert all(isinstance(document[key], int) for key in SIZES)
    assert document["plan"] == "layer"
    assert (document["name"], document["target"], document["output"]) == ("dense", "generic", str(tmp_path / "out"))
    text = run(*arguments).stdout
    assert all(f"{document[key]:,}" in text for key in ("macs", "context_bytes", "weight_bytes"))
    assert all(f"note: {note}" in text for note in document["notes"])
    assert f"next: `eightbit verify {tmp_path / 'out'}`" in text


def test_how_the_c_is_made_is_told_in_the_figures_and_in_the_manifest(folder: Path, tmp_path: Path) -> None:
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    document = answer(*arguments, "--io", "caller", "--optimize", "size")
    assert (document["io"], document["optimize"], document["io_bytes"], document["context_pointers"]) == (
        "caller",
        "size",
        7,
        2,
    )
    assert document["activation_bytes"] == document["arena_bytes"] == 0
    options = json.loads((tmp_path / "out" / "manifest.json").read_text())["options"]
    assert options == {"target": "generic", "io": "caller", "optimize": "size", "package": "cmake"}
    assert answer("verify", tmp_path / "out")["inputs_intact"] is True
    arguments = ["evaluate", folder / "dense.onnx", "--build", tmp_path / "out", "--samples", folder / "samples.npz"]
    assert answer(*arguments)["samples"] == 8
    for name in ("program.txt", "program.npz", "calibration.json"):
        assert (tmp_path / "out" / name).read_bytes() == (folder / "out" / name).read_bytes()


def test_a_build_without_known_options_is_refused(out: Path) -> None:
    document = json.loads((out / "manifest.json").read_text())
    for options in ({"io": "somewhere"}, {"colour": "red"}, {"target": 3}):
        (out / "manifest.json").write_text(json.dumps(document | {"options": options}))
        refused("verify", out)


def test_compile_takes_a_saved_calibration_and_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    saved = folder / "out" / "calibration.json"
    answer("compile", folder / "dense.onnx", "--calibration", saved, "-o", tmp_path / "again")
    for path in (folder / "out").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_compile_takes_a_saved_program_and_gives_the_same_bytes_of_c(folder: Path, tmp_path: Path) -> None:
    answer("compile", folder / "out" / "program.txt", "-o", tmp_path / "again")
    different = {
        path.name
        for path in (folder / "out").iterdir()
        if not (tmp_path / "again" / path.name).exists()
        or (tmp_path / "again" / path.name).read_bytes() != path.read_bytes()
    }
    assert different == REPORTS  # what was noted on the way is in no program.txt


def test_a_program_compiled_in_place_keeps_its_calibration_unless_it_was_edited(out: Path) -> None:
    calibration = (out / "calibration.json").read_bytes()
    answer("compile", out / "program.txt", "-o", out, "--io", "caller")
    assert (out / "calibration.json").read_bytes() == calibration
    text = (out / "program.txt").read_text()
    (out / "program.txt").write_text(text.replace('name "dense"', 'name "edited"'))
    answer("compile", out / "program.txt", "-o", out)
    assert not (out / "calibration.json").exists()  # it may be that of another program


@pytest.mark.parametrize("source", ["dense.onnx", "out/program.txt"])
def test_the_name_option_names_files_and_symbols(folder: Path, tmp_path: Path, source: str) -> None:
    given = ["--calibration", folder / "samples.npz"] if source.endswith(".onnx") else []
    arguments = ["compile", folder / source, *given, "-o", tmp_path]
    assert answer(*arguments, "--name", "My Net/2")["name"] == "my_net_2"
    assert {path.name for path in tmp_path.glob("*.c")} == {"my_net_2.c", "my_net_2_selftest.c"}
    assert "dense_run" not in (tmp_path / "my_net_2.h").read_text()


@pytest.mark.parametrize("stage", pipeline.STAGES)
def test_every_stage_can_be_dumped_beside_the_json(folder: Path, tmp_path: Path, stage: str) -> None:
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    result = run(*arguments, "--dump-after", stage, "--json")
    assert json.loads(result.stdout)["name"] == "dense"
    assert len(result.stderr.splitlines()) >= 1
    plain = run(*arguments, "--dump-after", stage)
    assert plain.stdout.startswith(result.stderr.splitlines()[0])


def test_a_batch_that_was_assumed_is_noted(folder: Path, tmp_path: Path) -> None:
    onnx.save(one("Relu", ["N", 4]), tmp_path / "net.onnx")
    arguments = ["compile", tmp_path / "net.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    assert answer(*arguments)["notes"][0] == "input 'x': first dimension ('N') is taken as a batch of 1"


def test_a_float_model_without_samples_is_refused_with_the_way_out(folder: Path, tmp_path: Path) -> None:
    error = refused("compile", folder / "dense.onnx", "-o", tmp_path / "out")
    assert error["what"] == "a float model needs calibration samples"
    assert "--calibration samples.npz" in error["hint"]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--calibration", "none.npz"), ("--calibration", "none.json"), ("--target", "z80"), ("--calibration", ".")],
)
def test_a_wrong_option_is_refused_and_nothing_is_written(
    folder: Path, tmp_path: Path, option: str, value: str
) -> None:
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", option, value]
    refused(*arguments, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_all_obstacles_of_a_model_are_told_in_one_run(tmp_path: Path) -> None:
    nodes = [node("Erf", "x", "a"), node("Sin", "a", "b"), node("Cos", "b", "y", name="[/] \x1b[1m")]
    onnx.save(model(nodes, {"x": [1, 4]}, {"y": [1, 4]}), tmp_path / "net.onnx")
    result = run("compile", tmp_path / "net.onnx", "--json")
    assert result.exit_code == 2
    why = json.loads(result.stdout)["error"]["why"]
    assert [line.split(": operator ")[1] for line in why.splitlines()[1:]] == [
        f"{op} is not supported" for op in ("Erf", "Sin", "Cos")
    ]
    assert "node '[/] \\x1b[1m' (Cos)" in result.stderr


def test_a_board_that_is_too_small_is_the_answer_no(tmp_path: Path) -> None:
    onnx.save(one("Tanh", [1, 3000, 3]), tmp_path / "net.onnx")
    np.savez(tmp_path / "samples.npz", x=samples(3000, 3))
    arguments = ["compile", tmp_path / "net.onnx", "--calibration", tmp_path / "samples.npz", "-o", tmp_path / "out"]
    error = refused(*arguments, "--target", "avr-atmega2560", status=1)
    assert error["what"] == "the network does not fit the RAM of avr-atmega2560"
    assert not (tmp_path / "out").exists()


def test_test_samples_are_reported_and_change_nothing_else(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "test.npz", x=samples(4, count=30, seed=3), labels=np.arange(30) % 3)
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "--test"]
    document = answer(*arguments, tmp_path / "test.npz", "-o", tmp_path / "out")
    known = ["evaluate", folder / "dense.onnx", "--build", tmp_path / "out", "--samples", tmp_path / "test.npz"]
    evaluated = {key: figure for key, figure in answer(*known).items() if key != "notes"}
    assert document["on_test_samples"] == pytest.approx(evaluated, rel=1e-5)
    assert document["on_calibration_samples"]["samples"] == 8
    for path in (folder / "out").iterdir():
        same = (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
        assert same != (path.name in REPORTS), path.name
    saved = ["compile", folder / "dense.onnx", "--calibration", tmp_path / "out" / "calibration.json", "--test"]
    again = answer(*saved, tmp_path / "test.npz", "-o", tmp_path / "again")
    assert again["on_test_samples"] == document["on_test_samples"]
    assert again["on_calibration_samples"] == document["on_calibration_samples"]


def test_test_samples_that_do_not_fit_are_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "wrong.npz", z=samples(4, count=30))
    np.savez(tmp_path / "far.npz", x=1000 * samples(4, count=30))
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    error = refused(*arguments, "--test", tmp_path / "wrong.npz")
    assert error["where"] == str(tmp_path / "wrong.npz")
    refused(*arguments, "--test", tmp_path / "far.npz")
    assert not (tmp_path / "out").exists()


def test_a_program_has_no_float_network_to_be_tested_against(folder: Path, tmp_path: Path) -> None:
    arguments = ["compile", folder / "out" / "program.txt", "-o", tmp_path / "out", "--test", folder / "samples.npz"]
    error = refused(*arguments)
    assert "--test" in error["what"]
    assert "eightbit evaluate" in error["hint"]


def test_what_is_doubtful_of_test_samples_is_a_note(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "small.npz", x=samples(4, count=30) / 100)
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    found = answer(*arguments, "--test", tmp_path / "small.npz")
    assert any("less than a sixteenth of its range" in note for note in found["notes"])
    assert "notes" not in found["on_test_samples"]
