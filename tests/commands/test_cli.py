# SPDX-License-Identifier: Apache-2.0
"""The command line: help, exit status 0, 1 or 2, and errors that are never a traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from command_line import refused, run
from eightbit import console, pipeline, version
from models import model, node

COMMANDS = ("audit", "bench", "check", "compile", "diff", "verify", "evaluate", "export", "targets", "ops")


def test_help_names_every_command_with_one_whole_sentence() -> None:
    text = run("--help").stdout
    listed = text.split("Commands:")[1].splitlines()[1:]
    assert [line.split()[0] for line in listed] == sorted(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself_and_its_options(command: str, flag: str) -> None:
    result = run(command, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: eightbit {command} ")
    assert "--json" in result.stdout
    options = [line.split(maxsplit=1) for line in result.stdout.splitlines() if line.startswith("  -")]
    assert options


def test_the_version_is_the_package_s_and_names_that_of_the_numbers() -> None:
    assert run("--version").stdout == f"eightbit {version.tool_version()}, numerics {version.NUMERICS}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["explode"],
        ["compile"],
        ["compile", "a", "b"],
        ["ops", "--loud"],
        ["compile", "a.onnx", "--dump-after", "x"],
        ["compile", "a.onnx", "--io", "x"],
        ["compile", "a.onnx", "--optimize", "x"],
    ],
)
def test_wrong_usage_has_status_2_and_shows_the_usage(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage: eightbit" in result.stderr
    assert result.stdout == ""


def test_a_fault_of_eightbit_says_so_and_shows_a_traceback_only_when_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError("[/] oops")

    monkeypatch.setattr(pipeline, "compile_model", fail)
    arguments = ["compile", folder / "dense.onnx"]
    error = refused(*arguments)
    assert error["why"] == "ZeroDivisionError: [/] oops"
    assert console.INTERNAL in error["hint"]
    monkeypatch.setenv(console.INTERNAL, "1")
    assert isinstance(run(*arguments).exception, ZeroDivisionError)


UNFOLDED = {  # nodes whose folding fails or warns, and their constants
    "a reshape that does not fit": ("Reshape", {"c": np.zeros(6), "d": np.array([1, 4])}),
    "a product that is no number": ("Mul", {"c": np.full(4, np.inf), "d": np.zeros(4)}),
}


@pytest.mark.parametrize(("op", "consts"), UNFOLDED.values(), ids=UNFOLDED)
def test_an_error_is_the_first_thing_said_whatever_libraries_have_to_say(
    op: str, consts: dict[str, np.ndarray], tmp_path: Path
) -> None:
    proto = model([node(op, "c d", "r"), node("Add", "x r", "y")], {"x": [1, 4]}, {"y": None}, consts)
    onnx.save(proto, tmp_path / "odd.onnx")
    command = [sys.executable, "-m", "eightbit", "compile", tmp_path / "odd.onnx"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the model cannot be compiled\n")


def test_names_that_a_terminal_cannot_show_are_escaped(folder: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"n\xffet [b] \xc3\x9c.onnx")
    shutil.copy(folder / "dense.onnx", tmp_path / odd)
    command = [sys.executable, "-m", "eightbit", "compile", tmp_path / odd, "--calibration", folder / "samples.npz"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command, "-o", tmp_path / odd[:3]], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"n_udcffet_b_u -> ")
    assert done.stdout.isascii()
    missing = subprocess.run([*command[:-1], "none", "-o", tmp_path], capture_output=True, env=environment, check=False)
    assert missing.returncode == 2
    assert missing.stderr.startswith(b"error: cannot read the samples\n  where: none\n")


def test_names_of_inputs_reach_the_table_of_obstacles_as_text_that_a_terminal_shows(tmp_path: Path) -> None:
    name = "\x1b[31m\u202e"
    onnx.save(model([node("Relu", name, "y")], {name: [1, "n"]}, {"y": None}), tmp_path / "odd.onnx")
    result = run("check", tmp_path / "odd.onnx")
    assert result.exit_code == 1
    assert all(line.isprintable() for line in result.stdout.splitlines())
    assert "\\x1b[31m\\u202e" in result.stdout.replace("\n", "")


@pytest.mark.parametrize("arguments", ["targets", "targets --json", "--help", "check --help", "check none.onnx --json"])
def test_a_full_disk_behind_stdout_is_told(arguments: str) -> None:
    command = [sys.executable, "-m", "eightbit", *arguments.split()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: ")
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", ["targets", "targets --json", "--help"])
def test_a_reader_that_has_seen_enough_ends_it_quietly(arguments: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "eightbit", *arguments.split()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, env=environment, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
