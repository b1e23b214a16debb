# SPDX-License-Identifier: Apache-2.0
"""`eightbit verify`: on the host, on targets, and a log; damaged folders."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from command_line import answer, refused, run
from eightbit import resources


def test_verify_says_yes_with_status_0_and_writes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    document = answer("verify", folder / "out", "--samples", folder / "samples.npz", "--cflags", "-O0")
    assert (document["samples"], document["differing_bytes"], document["target"]) == (8, 0, "generic")
    assert "first_difference" not in document
    assert {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()} == before


def test_verify_says_no_with_status_1_and_names_the_first_difference(out: Path) -> None:
    kernel = out / "e8_fc_s8__ref.inc"
    text = kernel.read_text()
    assert text.count("x[i] - q.zp_in") == 1
    kernel.write_text(text.replace("x[i] - q.zp_in", "x[i] + 1 - q.zp_in"))
    document = answer("verify", out, "--cflags", "-O0", status=1)
    assert document["differing_bytes"] > 0
    assert {"call", "row", "element", "expected", "got"} <= set(document["first_difference"])
    assert document["first_difference"]["call"].startswith("fc_")


def test_verify_says_no_where_a_file_of_the_build_is_missing(out: Path) -> None:
    (out / "dense.c").unlink()
    assert "dense.c" in refused_with_folder("verify", out, status=1)["why"]


def refused_with_folder(*arguments: str | Path, status: int) -> dict[str, str]:
    """Like `refused`, where a message names a temporary folder and so differs from run to run."""
    result = run(*arguments, "--json")
    assert result.exit_code == status
    assert "Traceback" not in result.output
    return dict(json.loads(result.stdout)["error"])


@pytest.fixture
def two_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine, and a chip that nothing emulates."""
    for name, more in (("generic", "ci = true"), ("chip", "ram_bytes = 512")):
        (tmp_path / f"{name}.toml").write_text(f'summary = "Some chip."\nisa = ["ref"]\n{more}\n')
    monkeypatch.setattr(resources, "targets", lambda: tmp_path)


@pytest.mark.usefixtures("two_targets")
def test_verify_on_all_targets_prints_a_row_each(out: Path) -> None:
    rows = answer("verify", out, "--target", "all")["targets"]
    assert [(row["target"], row["status"], row["differing_bytes"]) for row in rows] == [
        ("chip", "not run", 0),
        ("generic", "same", 0),
    ]
    assert rows[1]["compared_bytes"] > 0
    result = run("verify", out, "--target", "all")
    assert result.exit_code == 0
    assert all(word in result.stdout for word in ("chip", "not run", "generic", "same", "0 of"))
    assert result.stdout.splitlines()[-1] == "2 targets: 1 not run, 1 same"


@pytest.mark.usefixtures("two_targets")
def test_where_no_target_has_run_there_is_no_answer(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(out))
    result = run("verify", out, "--target", "all")
    assert result.exit_code == 2
    assert result.stdout.splitlines()[-1].startswith("missing tools: apt install gcc")


@pytest.mark.usefixtures("two_targets")
def test_verify_on_all_targets_says_no_where_one_does(out: Path) -> None:
    (out / "dense.c").write_text("#error this file is compiled")
    assert [row["status"] for row in answer("verify", out, "--target", "all", status=1)["targets"]] == [
        "not run",
        "fails",
    ]


@pytest.mark.usefixtures("two_targets")
def test_verify_on_a_target_that_nothing_runs_is_refused(out: Path) -> None:
    error = refused("verify", out, "--target", "chip")
    assert "portable by construction only" in error["why"]
    assert "--log" in error["hint"]


def test_verify_on_this_machine_may_be_asked_for_by_name(out: Path) -> None:
    document = answer("verify", out, "--target", "generic")
    assert (document["target"], document["emulator"], document["differing_bytes"]) == ("generic", "", 0)
    assert document["machine"]


def test_verify_reads_a_boards_log(out: Path) -> None:
    sources = [out / "dense.c", out / "dense_selftest.c"]
    command = ["gcc", "-DDENSE_SELFTEST", "-DDENSE_SELFTEST_MAIN", *sources, "-o", out / "selftest"]
    subprocess.run(command, check=True)
    text = subprocess.run([out / "selftest"], capture_output=True, text=True, check=True).stdout
    (out / "board.txt").write_text(text)
    assert answer("verify", out, "--log", out / "board.txt") == {
        "calls": 4,
        "calls_expected": 4,
        "differing_calls": 0,
        "cut": "",
        "other_build": False,
        "golden": text.split()[3],
    }
    (out / "board.txt").write_text(text.replace("vector 2 call 1 ", "vector 2 call 1 0"))
    assert "vector 2, call 1" in answer("verify", out, "--log", out / "board.txt", status=1)["cut"]
    (out / "board.txt").write_text(re.sub("vector 2 call 1 ........", "vector 2 call 1 01234567", text))
    first = answer("verify", out, "--log", out / "board.txt", status=1)["first_difference"]
    assert (first["vector"], first["number"], first["got"]) == (2, 1, "01234567")
    assert "vector 2, call 1 (fc_" in run("verify", out, "--log", out / "board.txt").stdout


OPTIONS = [
    "--log dense.onnx",
    "--log none.txt",
    "--log x --target generic",
    "--log x --samples samples.npz",
    "--cc no-such-cc",
    "--samples none.npz",
    "--samples dense.onnx",
    "--target z80",
    "--target generic --cc gcc",
]


@pytest.mark.parametrize("options", [line.split() for line in OPTIONS], ids=OPTIONS)
def test_verify_with_wrong_options_is_refused(folder: Path, options: list[str]) -> None:
    refused("verify", folder / "out", *(str(folder / o) if o.endswith((".npz", ".onnx")) else o for o in options))


@pytest.mark.parametrize("missing", ["manifest.json", "program.txt", "program.npz", "."])
@pytest.mark.parametrize("command", ["verify", "export", "evaluate"])
def test_a_build_that_lacks_a_file_is_refused(folder: Path, out: Path, missing: str, command: str) -> None:
    if missing == ".":
        shutil.rmtree(out)
    else:
        (out / missing).unlink()
    if command == "evaluate":
        refused(command, folder / "dense.onnx", "--build", out, "--samples", folder / "samples.npz")
    else:
        refused(command, out, *(["-o", out / "x.onnx"] if command == "export" else []))


def test_a_build_for_a_target_that_is_not_there_is_refused(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "options": {"target": "z80"}}))
    assert refused("verify", out)["what"] == "there is no target 'z80'"


def test_a_program_with_a_line_cut_short_is_refused_or_gives_the_same_numbers(folder: Path, out: Path) -> None:
    lines = (out / "program.txt").read_text().splitlines()
    weights = (folder / "out" / "dense_weights.inc").read_bytes()
    for number, line in enumerate(lines):
        cut = [*lines[:number], line[: len(line) // 2], *lines[number + 1 :]]
        (out / "program.txt").write_text("\n".join(cut))
        result = run("compile", out / "program.txt", "--name", "dense", "-o", out / "again", "--json")
        if result.exit_code == 0:
            assert (out / "again" / "dense_weights.inc").read_bytes() == weights
        else:
            assert result.exit_code == 2
            assert json.loads(result.stdout)["error"]["hint"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("eightbit program 1", "eightbit program 2", "first line"),
        ("s8 1x1x4", "s16 1x1x4", "element type 's16'"),
        ("s8 1x1x4", "s8 1x1x5", "input"),
        ("scale 0x", "scale -0x", "scale"),
        ("= fc input", "= lstm input", "lstm"),
        ("= fc input", "= fc nothing", "nothing"),
        ("in_n=4", "in_n=five", "five"),
        ("in_n=4 ", "", "lacks the params in_n"),
        ("in_n=4", "in_n=3", "4 elements"),
        ("const weights int8 3x4", "const weights int8 4x3", "3, 4"),
        ("const weights int8 3x4", "const heights int8 3x4", "fc_1.heights"),
        ('input "x" 1x4 = input', "", "no input or no output"),
        ('input "x" 1x4', "input [1] 1x4", "not a string"),
        ('name "dense"', "name {}", "not a string"),
        ('input "x" 1x4 = input', 'input "x" 1x4 = other', "tensor other"),
    ],
)
def test_a_tampered_program_is_refused_with_the_reason(out: Path, old: str, new: str, told: str) -> None:
    text = (out / "program.txt").read_text()
    assert old in text
    (out / "program.txt").write_text(text.replace(old, new))
    for arguments in (["compile", out / "program.txt", "-o", out / "again"], ["verify", out]):
        error = refused(*arguments)
        assert told in error["why"]
        assert error["where"].startswith(str(out / "program.txt"))
    assert not (out / "again").exists()
