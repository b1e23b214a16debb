# SPDX-License-Identifier: Apache-2.0
"""The independent checker: it accepts good builds, names what is wrong in changed ones, and refuses broken ones."""

from __future__ import annotations

import ast
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import eightbit
import real
from eightbit.audit import audit
from models import model, node, weights
from own_networks import noise, own_networks

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import audit_mutations
from audit_faults import Build
from mutation_subjects import small_model, small_samples

PACKAGE = Path(eightbit.__file__).parent / "audit"
Edit = Callable[[str], str]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return eightbit.compile(small_model(), small_samples()[:100], name="small").write(
        tmp_path_factory.mktemp("audit") / "out"
    )


@pytest.fixture
def out(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "out"))


def edit(out: Path, file: str, pattern: str, change: str | Callable[[re.Match[str]], str]) -> None:
    """Replace the first occurrence of a pattern; it must be there."""
    path = out / file
    text, count = re.subn(pattern, change, path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, f"{pattern} is not in {file}"
    path.write_text(text)


def findings(out: Path) -> str:
    return "\n".join(map(str, audit(out).findings))


def next_number(match: re.Match[str]) -> str:
    return f"{match[1]}{int(match[2]) + 1}"


def change_array(out: Path, name: str, at: int, value: int) -> None:
    with np.load(out / "program.npz") as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays[name].flat[at] = value
    np.savez(out / "program.npz", **arrays)


def test_a_good_build_is_accepted_and_every_kind_of_fact_is_counted(good: Path) -> None:
    report = audit(good)
    assert report.ok, findings(good)
    assert report.name == "small"
    assert min(report.proven.values()) > 5
    assert {"accumulator intervals", "multipliers and shifts", "ranges", "table entries"} <= set(report.proven)
    assert {"places and views", "constants in C", "launches in C"} <= set(report.proven)


def test_the_graphs_of_these_tests_have_every_operator_but_reshape_alone(good: Path, tmp_path: Path) -> None:
    used = set(re.findall(r"^call \w+ = (\w+)", (good / "program.txt").read_text(), re.MULTILINE))
    for name, make in own_networks().items():
        proto = make()
        build = eightbit.compile(proto, noise(proto, 9), name=name)
        assert findings(build.write(tmp_path / name)) == ""
        used |= {call.op for call in build.program.calls}
    assert set(eightbit.ops.all_ops()) - used <= {"reshape", "clamp"}


def test_tensors_that_share_a_place_and_planes_are_understood(tmp_path: Path) -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "r"),
        node("Flatten", "r", "f"),
        node("Gemm", "f v", "y"),
        node("Relu", "x", "plain"),
    ]
    consts = {"w": weights(4, 2, 3, 3), "v": weights(100, 3)}
    proto = model(nodes, {"x": [1, 2, 5, 5]}, {"y": [1, 3], "plain": [1, 2, 5, 5]}, consts)
    samples = np.random.default_rng(1).normal(0, 1, (20, 2, 5, 5)).astype(np.float32)
    out = eightbit.compile(proto, samples, name="planes").write(tmp_path / "out")
    assert " CHW " in (out / "program.txt").read_text()
    assert audit(out).ok, findings(out)


def test_the_auditor_imports_nothing_of_the_compiler_but_its_errors() -> None:
    seen = set()
    for path in sorted(PACKAGE.glob("*.py")):
        for item in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in item.names] if isinstance(item, ast.Import) else []
            names += [item.module or ""] if isinstance(item, ast.ImportFrom) else []
            seen |= {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}
    assert {name for name in seen if not name.startswith("eightbit.audit")} == {
        "numpy",
        "numpy.typing",
        "eightbit.errors",
    }


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (r"^(  acc .* per channel -?\d+:)(-?\d+)", "accumulator .* is valid but looser than"),
        (r"^(  acc -?\d+ )(-?\d+)", "the accumulator interval:"),
        (r"^(  weight_scale per channel )(\d+)", "is a weight scale of .*, not of"),
        (r"^(  range per channel (?:-?\d+:-?\d+ )*-?\d+:)(?!127)(-?\d+)", "range .* is valid but looser than"),
        (r"^(  params .* acc_lshift=)(\d+)", "weight scale of|acc_lshift"),
        (r"^(  params .* out_rshift=)(\d+)", "out_c:"),
        (r"^(  params .* out_c=)(-?\d+)", "out_c:"),
        (r"^(  params .* mult_a=)(\d+)", "mult_a:"),
        (r"^(  params .* mult=)(\d+)", r"mult\[0\] is"),
        (r"^(  params .* zp_in=)(-?\d+)", "zp_in is not the zero point"),
        (r"^(  params .* kw=)(\d+)", "weights are"),
        (r"^(  tensor add_\d+ s8 .* zero_point )(-?\d+)", "differ in scale or zero point"),
    ],
)
def test_a_changed_number_of_the_program_is_named(out: Path, line: str, named: str) -> None:
    edit(out, "program.txt", line, next_number)
    assert re.search(named, findings(out)), findings(out)


@pytest.mark.parametrize(
    ("array", "value", "named"),
    [
        ("conv_2.weights", 99, "accumulator -?\\d+:-?\\d+ of channel 0 is"),
        ("conv_2.bias", 12345, "accumulator -?\\d+:-?\\d+ of channel 0 is"),
        ("conv_2.mult", 1 << 20, "multiplier 1048576 of channel 0 is a weight scale of"),
    ],
)
def test_a_constant_that_is_wrong_in_the_program_and_in_the_c_alike_is_named(
    out: Path, array: str, value: int, named: str
) -> None:
    change_array(out, array, 0, value)
    edit(out, "small_weights.inc", rf"( small_{array.replace('.', '_')}\[\d+\] = {{\n +)-?\d+", rf"\g<1>{value}")
    assert re.search(named, findings(out)), findings(out)
    assert f"small_{array.replace('.', '_')}[" not in findings(out)  # the C and the program agree


def test_a_wrong_table_is_named_with_its_entry(out: Path) -> None:
    text = (out / "program.txt").read_text()
    for call in re.findall(r"^call (\w+) = (?:lut|softmax)", text, re.MULTILINE):
        change_array(out, f"{call}.table", 7, 3)
        assert f"{call}: table[7] is 3, it must be" in findings(out)


def test_two_live_tensors_in_one_place_are_both_named(out: Path) -> None:
    edit(out, "plan.txt", r"^(tensor conv_2 offset )\d+", r"\g<1>0")
    edit(out, "plan.txt", r"^(tensor input offset )\d+", r"\g<1>0")
    found = findings(out)
    assert re.search(r"tensor \w+: it shares bytes with \w+, and both are live in step 1", found), found


@pytest.mark.parametrize(
    ("line", "named"),
    [
        (r"^(tensor conv_2 .* first )(\d+)", "its live range:"),
        (r"^(tensor conv_2 .* last )(\d+)", "its live range:"),
        (r"^(tensor conv_2 .* row )(\d+)", "its view"),
        (r"^(tensor conv_2 .* size )(\d+)", "its size:"),
        (r"^(activation_bytes )(\d+)", "activation_bytes:"),
        (r"^(arena_bytes )(\d+)", "arena_bytes:"),
        (r"^(scratch_bytes )(\d+)", "scratch_bytes:"),
        (r"^(step )(\d+)", "its number:"),
    ],
)
def test_a_changed_number_of_the_plan_is_named(out: Path, line: str, named: str) -> None:
    edit(out, "plan.txt", line, next_number)
    assert re.search(named, findings(out)), findings(out)


def test_a_plan_may_only_call_itself_optimal_when_it_meets_the_bound(out: Path) -> None:
    edit(out, "plan.txt", r"\(optimal: equal to the lower bound\)", "(lower bound 10)")
    assert "the lower bound: 10, it must be" in findings(out)


def test_the_calls_must_run_in_the_order_of_the_program(out: Path) -> None:
    edit(out, "plan.txt", r"^(step 1 .*)\n(step 2 .*)$", r"\2\n\1")
    assert "its order of calls" in findings(out)


@pytest.mark.parametrize(
    ("file", "place", "named"),
    [
        ("small.c", r"(const e8_rows in\[\] = \{ \{ arena \+ )(\d+)", "its input views"),
        ("small.c", r"(const e8_rows out\[\] = \{ \{ arena \+ \d+, \d+, \d+, \d+, )(\d+)", "its output view"),
        ("small.c", r"(const e8_call at = \{ in, out, 0, )(\d+)", "its number of rows"),
        ("small.c", r"(return ctx->arena\.s8 \+ )(\d+)", "the address of small_input"),
        ("small.c", r"(E8_STATIC_ASSERT\()(\d+)", "its assertions|the assertion"),
        ("small.c", r"(arena \d+\.\.)(\d+)", "what its comments say"),
        ("small.h", r"(#define SMALL_CONTEXT_BYTES )(\d+)", "SMALL_CONTEXT_BYTES"),
        ("small.h", r"(#define SMALL_INPUT_SIZE )(\d+)", "SMALL_INPUT_SIZE"),
        ("small.h", r"(#define SMALL_INPUT_SCALE 0\.0*)(\d)", "SMALL_INPUT_SCALE"),
        ("small_weights.inc", r"(E8_STATIC_ASSERT\()(\d+)", "the assertion"),
        ("small_weights.inc", r"(\.stride_y = )(\d+)", r"\.stride_y:"),
        ("small_weights.inc", r"(small_conv_2_weights\[\d+\] = \{\n +)(-?\d+)", r"small_conv_2_weights\[0\]"),
        ("small_weights.inc", r"(small_conv_2_weights\[)(\d+)", "code that is no constant"),
        ("small_selftest.c", r"(n < )(\d+)(?=u)", "the sizes of the inputs"),
        ("small_selftest.c", r"(#define VECTORS )(\d+)", "VECTORS"),
        ("report.json", r'("weight_bytes": )(\d+)', "weight_bytes"),
    ],
)
def test_a_changed_number_of_the_c_is_named(out: Path, file: str, place: str, named: str) -> None:
    edit(out, file, place, next_number)
    assert re.search(named, findings(out)), findings(out)


def test_constants_that_are_swapped_in_their_struct_are_named(out: Path) -> None:
    edit(out, "small_weights.inc", r"_bias, (\w+)_mult \};", r"_mult, \1_bias };")
    assert "its pointers, entry 1:" in findings(out)


def test_a_kernel_whose_order_of_constants_the_auditor_does_not_know_is_named(out: Path) -> None:
    edit(out, "plan.txt", r"^(step \d+ conv_2 e8_conv_s8__)ref", r"\1secret")
    assert "how e8_conv_s8__secret stores the constants of conv_2 is not known" in findings(out)


@pytest.mark.parametrize("file", ["program.txt", "program.npz", "plan.txt", "manifest.json", "small.c", "small.h"])
def test_a_missing_file_is_refused_with_a_hint(out: Path, file: str) -> None:
    (out / file).unlink()
    with pytest.raises(eightbit.EightbitError, match=f"cannot read {file}") as raised:
        audit(out)
    assert file in raised.value.where
    assert raised.value.why
    assert "eightbit compile" in raised.value.hint


@pytest.mark.parametrize("file", ["program.txt", "program.npz", "plan.txt", "small.c", "small_weights.inc"])
def test_a_truncated_file_is_never_accepted(out: Path, file: str) -> None:
    data = (out / file).read_bytes()
    for part in (0, len(data) // 3, len(data) * 9 // 10):
        (out / file).write_bytes(data[:part])
        try:
            assert not audit(out).ok, f"{file} cut to {part} bytes"
        except eightbit.EightbitError as error:
            if not error.hint:
                raise


def test_a_line_that_is_not_understood_is_named_with_its_number(out: Path) -> None:
    edit(out, "plan.txt", r"^tensor conv_2 offset", "tensor conv_2 at")
    with pytest.raises(eightbit.EightbitError, match=r"cannot read plan\.txt") as raised:
        audit(out)
    assert ", line " in raised.value.where


def test_an_array_that_no_call_names_is_refused(out: Path) -> None:
    with np.load(out / "program.npz") as archive:
        np.savez(out / "program.npz", **dict(archive), extra=np.zeros(3))
    with pytest.raises(eightbit.EightbitError) as raised:
        audit(out)
    assert "extra" in raised.value.why


def test_the_command_prints_what_was_proven_and_returns_the_verdict(
    good: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("audit", good) == 0
    assert "everything holds" in capsys.readouterr().out
    assert command("audit", good, "--json") == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    edit(out, "plan.txt", r"^(arena_bytes )(\d+)", next_number)
    assert command("audit", out) == 1
    assert "plan.txt: arena_bytes:" in capsys.readouterr().out
    assert command("audit", out, "--json") == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["where"] == "plan.txt"
    assert command("audit", out / "nothing", "--json") == 2
    assert set(json.loads(capsys.readouterr().out)["error"]) == {"what", "where", "why", "hint"}


def command(*arguments: object) -> int:
    from eightbit.cli import main

    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments], standalone_mode=False)
    assert isinstance(left.value.code, int)
    return left.value.code


def test_random_changes_of_builds_are_all_rejected(good: Path, seed: int, tmp_path: Path) -> None:
    caller = eightbit.compile(small_model(), small_samples()[:100], name="small", io="caller").write(tmp_path / "out")
    folders = [good, caller]
    files = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
    builds = [Build("small", *pair) for pair in zip(folders, files, strict=True)]
    drawn, accepted = audit_mutations.run(builds, seed, 80)
    assert not accepted
    assert {kind for kind, _ in drawn} == set(audit_mutations.KINDS)
    assert [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders] == files


@pytest.mark.skipif(real.folder() is None, reason=f"{real.VARIABLE} is not set")
def test_the_build_of_a_real_network_is_accepted(tmp_path: Path) -> None:
    network = real.TINY["kws"]
    out = eightbit.compile(real.path(network), real.calibration(network), name="kws").write(tmp_path / "out")
    report = audit(out)
    assert report.ok, findings(out)
    assert report.proven["constants in C"] > 20_000
