# SPDX-License-Identifier: Apache-2.0
"""The command line: help, JSON, exit status 0, 1 or 2, and errors that are never a traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from command_line import answer, refused, run
from eightbit import console, lower, ops, pipeline, resources, target, version
from emulators import needs_tools
from models import dense, model, node, one, samples

COMMANDS = ("audit", "bench", "check", "compile", "diff", "verify", "evaluate", "export", "targets", "ops")
SIZES = (
    "activation_bytes scratch_bytes state_bytes control_bytes arena_bytes arena_bound_bytes io_bytes weight_bytes macs"
    " macs_model".split()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dense.onnx, samples.npz with labels, and a build in out/."""
    path = tmp_path_factory.mktemp("cli")
    onnx.save(dense(), path / "dense.onnx")
    np.savez(path / "samples.npz", x=samples(4, count=8), labels=np.arange(8) % 3)
    answer("compile", path / "dense.onnx", "--calibration", path / "samples.npz", "-o", path / "out")
    return path


@pytest.fixture
def out(folder: Path, tmp_path: Path) -> Path:
    """A copy of the build, to damage."""
    return Path(shutil.copytree(folder / "out", tmp_path / "out"))


# --- help ----------------------------------------------------------------------------------------------------


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


# --- compile -------------------------------------------------------------------------------------------------


def test_compile_tells_every_size_in_json_and_in_a_table(folder: Path, tmp_path: Path) -> None:
    arguments = ["compile", folder / "dense.onnx", "--calibration", folder / "samples.npz", "-o", tmp_path / "out"]
    document = answer(*arguments)
    assert all(isinstance(document[key], int) for key in SIZES)
    assert document["plan"] == "layer"
    assert (document["name"], document["target"], document["output"]) == ("dense", "generic", str(tmp_path / "out"))
    table = run(*arguments).stdout
    assert all(key in table for key in document)


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


def test_compile_takes_a_saved_calibration_and_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
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
    assert different == {
        "report.json",
        "report.html",
        "manifest.json",
    }  # what was noted on the way is in no program.txt


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
    arguments = ["compile", folder / source, "--calibration", folder / "samples.npz", "-o", tmp_path]
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
    assert answer(*arguments)["notes"] == ["input 'x': first dimension ('N') is taken as a batch of 1"]


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


# --- verify --------------------------------------------------------------------------------------------------


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


# --- bench ---------------------------------------------------------------------------------------------------

COSTS = (
    "target instructions code_bytes weight_bytes arena_bytes ram_bytes stack_bytes layers "
    "compiler flags emulator machine"
)


def test_bench_times_the_host_and_tells_every_size(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    document = answer("bench", folder / "out", "--cflags", "-O1")
    assert set(COSTS.split()) <= set(document)
    assert (document["instructions"], document["flags"], document["emulator"]) == (None, ["-O1"], "")
    assert document["code_bytes"] == sum(document["functions"].values()) + sum(document["library"].values())
    assert {path.name: path.read_bytes() for path in (folder / "out").iterdir()} == before
    text = run("bench", folder / "out").stdout
    assert all(
        word in text for word in ("median", "fc_1", "e8_fc_s8__ref", "dense_run", f"{document['weight_bytes']:,}")
    )


def test_bench_counts_on_a_target_and_says_that_cycles_are_estimated(folder: Path) -> None:
    needs_tools("cortex-m4", bench=True)
    document = answer("bench", folder / "out", "--target", "cortex-m4", "--samples", folder / "samples.npz")
    assert set(COSTS.split()) <= set(document)
    assert (document["target"], document["machine"]) == ("cortex-m4", "ARM")
    counted = sum(layer["instructions"] for layer in document["layers"]) + document["around_instructions"]
    assert counted == document["instructions"] > 0
    text = run("bench", folder / "out", "--target", "cortex-m4", "--samples", folder / "samples.npz").stdout
    assert f"{document['instructions']:,} instructions" in text
    assert f"about {document['cycles_estimate']:,} cycles" in text
    assert "an estimate, not a measurement" in text
    assert all(layer["call"] in text for layer in document["layers"])


def test_bench_says_what_it_cannot_measure(folder: Path) -> None:
    assert "cannot be measured" in refused("bench", folder / "out", "--target", "generic")["what"]
    assert "no target" in refused("bench", folder / "out", "--target", "pdp-11")["what"]
    assert refused("bench", folder / "out", "--target", "cortex-m4", "--cc", "gcc")["where"] == "--target, --cc"
    assert refused("bench", folder / "out", "--cc", "no-such-cc")["hint"].startswith("apt install no-such-cc")
    assert "not a build" in refused("bench", folder)["what"]


# --- evaluate, export, lists ---------------------------------------------------------------------------------


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


# --- faults --------------------------------------------------------------------------------------------------


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
    command = [sys.executable, "-m", "eightbit.cli", "compile", tmp_path / "odd.onnx"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the model cannot be compiled\n")


def test_names_that_a_terminal_cannot_show_are_escaped(folder: Path, tmp_path: Path) -> None:
    odd = os.fsdecode(b"n\xffet [b] \xc3\x9c.onnx")
    shutil.copy(folder / "dense.onnx", tmp_path / odd)
    command = [sys.executable, "-m", "eightbit.cli", "compile", tmp_path / odd, "--calibration", folder / "samples.npz"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([*command, "-o", tmp_path / odd[:3]], capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"n_udcffet_b_u -> ")
    assert done.stdout.isascii()
    missing = subprocess.run([*command[:-1], "none", "-o", tmp_path], capture_output=True, env=environment, check=False)
    assert missing.returncode == 2
    assert missing.stderr.startswith(b"error: cannot read the samples\n  where: none\n")
