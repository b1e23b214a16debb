# SPDX-License-Identifier: Apache-2.0
"""Faults in emitted C are found by running it: a fixed few of what benchmarks/mutations.py draws by seed."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import eightbit
from eightbit import cli, resources
from eightbit.ir.program import Call

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from mutation_sites import changed, kernel_sites
from mutation_subjects import Subject, small_model, small_samples, small_subject
from mutation_verdicts import run_verify

from own_networks import noise, own_networks

FLAGS = ("-O0",)  # most of the time is the compiler's


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return small_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture
def copy(small: Subject, tmp_path: Path) -> Path:
    """A folder to do harm to."""
    return Path(shutil.copytree(small.out, tmp_path / "copy"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def command_line(folder: Path) -> Result:
    return CliRunner().invoke(cli.main, ["verify", str(folder), "--cflags", " ".join(FLAGS), "--json"])


def the(small: Subject, op: str) -> Call:
    return next(call for call in small.program.calls if call.op == op)


def find(small: Subject, copy: Path) -> eightbit.Difference:
    """What verify names as the first difference on the evaluation samples, seeded vectors and extremes."""
    _, batch = itertools.islice(small.batches(), 2)
    found = run_verify(small, copy, batch, FLAGS)
    assert found is not None
    assert found.status == "caught"
    assert found.difference is not None
    return found.difference


def test_a_kernel_of_every_operator_occurs_in_the_graphs_that_are_mutated(small: Subject) -> None:
    operators = {path.stem.removesuffix("_s8") for path in (resources.runtime() / "kernels" / "ref").glob("*.c")}
    own = [eightbit.compile(made, noise(made, 9)).program for made in (make() for make in own_networks().values())]
    used = {call.op for program in (small.program, *own) for call in program.calls}
    assert used - {"reshape"} == operators


def test_another_rounding_constant_gives_exit_status_1_and_names_the_element(small: Subject, copy: Path) -> None:
    edit(copy / "e8_softmax_s8__ref.inc", "sum / 2", "sum / 4")
    result = command_line(copy)
    first = json.loads(result.stdout)["first_difference"]
    assert result.exit_code == 1
    assert {"call", "row", "element", "expected", "got"} <= first.keys()
    assert (first["call"], first["row"]) == (the(small, "softmax").name, 0)
    assert first["got"] == first["expected"] - 1


@pytest.mark.parametrize(
    ("file", "old", "new", "culprit"),
    [
        ("e8_conv_s8__ref.inc", "+", "-", "conv"),
        ("e8_maxpool_s8__ref.inc", "stride_y", "stride_x", "maxpool"),
        ("e8_permute_s8__ref.inc", "<", "<=", "permute"),
    ],
)
def test_a_wrong_token_in_a_kernel_is_found_in_the_first_call_of_it(
    small: Subject, copy: Path, file: str, old: str, new: str, culprit: str
) -> None:
    sites = (site for site in kernel_sites(small) if (site.file, site.old, site.new) == (file, old, new))
    next(sites).apply(copy)
    assert find(small, copy).call == the(small, culprit).name


@pytest.mark.parametrize(
    ("op", "role", "step"), [("depthwise", "weights", 1), ("conv", "bias", -1), ("depthwise", "mult", 1 << 16)]
)
def test_a_constant_one_step_off_is_found_in_its_channel(
    small: Subject, copy: Path, op: str, role: str, step: int
) -> None:
    call, channel = the(small, op), 3
    changed(small, role, call, role, channel, step).apply(copy)
    first = find(small, copy)
    assert (first.call, first.element % call.params.out_ch) == (call.name, channel)


def test_a_table_entry_that_is_read_is_found(small: Subject, copy: Path) -> None:
    call = the(small, "lut")
    changed(small, "table", call, "table", 128, -8).apply(copy)
    first = find(small, copy)
    assert (first.call, first.got) == (call.name, first.expected - 8)


def test_a_write_one_element_behind_the_row_changes_a_guard_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = shutil.copytree(resources.runtime(), tmp_path / "runtime")
    edit(runtime / "kernels" / "ref" / "lut_s8.c", "c < channels;", "c < channels + (x + 1 == pixels);")
    monkeypatch.setattr(resources, "runtime", lambda: runtime)
    result = eightbit.compile(small_model(), small_samples()).verify(cflags=FLAGS)
    assert not result.guards_intact
    assert not result.ok


def test_c_that_does_not_compile_gives_exit_status_1_and_the_compilers_words(copy: Path) -> None:
    edit(copy / "e8_fc_s8__ref.inc", "e8_s32 acc = k.bias[o];", "e8_s32 acc = k.bias[o]")
    result = command_line(copy)
    error = json.loads(result.stdout)["error"]
    assert result.exit_code == 1
    assert error["what"] == "the C does not compile"
    assert "e8_fc_s8__ref.inc" in error["why"]
    assert "Compile the model again" in error["hint"]
