# SPDX-License-Identifier: Apache-2.0
"""`eightbit evaluate` and `export`, and the lists of targets and operators."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from command_line import answer, refused, run
from eightbit import lower, ops, target
from models import one, samples


def test_evaluate_tells_accuracies_agreement_and_noise(folder: Path) -> None:
    built = answer("evaluate", folder / "dense.onnx", "--build", folder / "out", "--samples", folder / "samples.npz")
    assert set(built) >= {"samples", "accuracy_float", "accuracy_fixed", "agreement", "sqnr_db"}
    assert built["samples"] == 8
    arguments = ["--calibration", folder / "samples.npz", "--samples", folder / "samples.npz"]
    assert answer("evaluate", folder / "dense.onnx", *arguments) == built


def test_evaluate_without_labels_has_no_accuracy(folder: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "s.npz", x=samples(4))
    arguments = ["evaluate", folder / "dense.onnx", "--build", folder / "out", "--samples", tmp_path / "s.npz"]
    assert answer(*arguments)["accuracy_float"] is None
    assert "not known" in run(*arguments).stdout


def test_evaluate_says_where_samples_are_likely_to_be_scaled_otherwise(folder: Path, tmp_path: Path) -> None:
    x = np.load(folder / "samples.npz")["x"]
    for name, factor in (("small", 0.01), ("large", 1.8), ("same", 1.0)):
        np.savez(tmp_path / f"{name}.npz", x=x * factor)
    given = ["evaluate", folder / "dense.onnx", "--build", folder / "out", "--samples"]
    notes = {name: answer(*given, tmp_path / f"{name}.npz")["notes"] for name in ("small", "large", "same")}
    assert "less than a sixteenth of its range" in notes["small"][0]
    assert "saturate" in notes["large"][0]
    assert notes["same"] == []
    assert "note: the samples of input 'x' go from" in run(*given, tmp_path / "small.npz").stdout


def test_evaluate_says_where_the_float_network_itself_guesses(folder: Path, tmp_path: Path) -> None:
    x = np.load(folder / "samples.npz")["x"]
    guesses = 0
    for label in range(3):
        np.savez(tmp_path / "s.npz", x=x, labels=np.full(len(x), label))
        found = answer("evaluate", folder / "dense.onnx", "--build", folder / "out", "--samples", tmp_path / "s.npz")
        told = any(note.startswith("the float network itself is right on") for note in found["notes"])
        assert told == (found["accuracy_float"] < 0.5)  # of three classes: a quarter of the way from guessing to right
        guesses += told
    assert 0 < guesses < 3


@pytest.mark.parametrize("both", [False, True])
def test_evaluate_wants_one_build(folder: Path, both: bool) -> None:
    given = ["--build", folder / "out", "--calibration", folder / "samples.npz"] if both else []
    error = refused("evaluate", folder / "dense.onnx", *given, "--samples", folder / "samples.npz")
    assert error["hint"] == "give either --build or --calibration"


def test_evaluate_refuses_a_build_of_another_model(folder: Path, tmp_path: Path) -> None:
    onnx.save(one("Relu", [1, 4]), tmp_path / "other.onnx")
    arguments = ["--build", folder / "out", "--samples", folder / "samples.npz"]
    assert refused("evaluate", tmp_path / "other.onnx", *arguments)["what"] == "the build is of another model"


def test_export_writes_a_model_that_the_checker_accepts(folder: Path, tmp_path: Path) -> None:
    document = answer("export", folder / "out", "-o", tmp_path / "qdq.onnx")
    assert document["output"] == str(tmp_path / "qdq.onnx")
    onnx.checker.check_model(tmp_path / "qdq.onnx", full_check=True)


def test_targets_and_ops_list_what_there_is() -> None:
    assert set(answer("targets")) == set(target.names())
    document = answer("ops")
    assert document.pop("onnx") == list(lower.all_rules())
    assert set(document) == set(ops.all_ops())
    assert all(name in run("targets").stdout for name in target.names())
    assert all(name in run("ops").stdout for name in ops.all_ops())
