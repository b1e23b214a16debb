# SPDX-License-Identifier: Apache-2.0
"""verify: what it compares, what it finds, and what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import eightbit
from eightbit import build as builds
from eightbit.execution import verify
from models import conv_relu, dense, model, node, samples, weights


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return eightbit.compile(conv_relu(), samples(2, 5, 5), name="net").write(tmp_path / "out")


def check(out: Path, cc: str = "gcc") -> eightbit.VerifyResult:
    return builds.verify_folder(out, samples(2, 5, 5), cc, ("-O1",))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_good_build_differs_in_no_byte(out: Path) -> None:
    result = check(out)
    assert (result.ok, result.samples, result.differing_bytes, result.first_difference) == (True, 4, 0, None)


def test_three_builds_and_two_runs_of_every_sample_are_compared(out: Path) -> None:
    rows, outputs = 3 * 3 * 3 * 2, 3 * 3 * 3  # convolution and permute; the output
    assert check(out).compared_bytes == 4 * 2 * ((rows + outputs) + outputs + (rows + outputs))


def test_the_files_are_compiled_as_they_lie_there(out: Path) -> None:
    edit(out / "e8_conv_s8__ref.inc", "#include", '#error "read this"\n#include')
    with pytest.raises(eightbit.EightbitError, match="does not compile") as failed:
        check(out)
    assert "read this" in failed.value.why
    assert failed.value.exit_status == 1


def test_the_first_differing_call_row_and_element_are_named(out: Path) -> None:
    hook = "        NET_TRACE(1, out, 3, 9);"
    edit(out / "net.c", hook, "        e8_out_s8(out, 1)[4] ^= 1;\n" + hook)
    first = check(out).first_difference
    assert first is not None
    assert (first.build, first.sample, first.call, first.row, first.element) == ("traced", 0, "conv_2", 1, 4)
    assert first.got == first.expected ^ 1


def test_a_run_that_depends_on_the_one_before_is_caught(out: Path) -> None:
    edit(out / "net.c", "    e8_s8 *arena;", "    e8_s8 *arena;\n    static int runs;")
    edit(out / "net.c", "    arena = ctx->arena.s8;", "    arena = ctx->arena.s8;\n    if (runs++ % 2) arena[0] ^= 64;")
    assert not check(out).ok


def test_a_write_behind_the_context_is_caught(out: Path) -> None:
    edit(out / "net.c", "    return NET_OK;\n}", "    ((e8_s8 *)(ctx + 1))[3] = 7;\n    return NET_OK;\n}")
    result = check(out)
    assert not result.guards_intact
    assert not result.ok


def test_the_call_that_wrote_behind_the_context_is_named(out: Path) -> None:
    hook = "        NET_TRACE(1, out, 3, 9);"
    edit(out / "net.c", hook, "        ((e8_s8 *)(ctx + 1))[3] = 7;\n" + hook)
    result = check(out)
    assert (result.guards_intact, result.guard_broken_by, result.differing_bytes) == (False, "conv_2", 0)
    assert result.json()["guard_broken_by"] == "conv_2"
    assert "guard_broken_by" not in check(clean(out)).json()


def clean(out: Path) -> Path:
    return eightbit.compile(conv_relu(), samples(2, 5, 5), name="net").write(out.parent / "clean")


def test_an_argmax_that_is_not_the_simulators_is_caught(out: Path) -> None:
    edit(out / "net.c", "    return best;", "    return best ^ 1;")
    result = check(out)
    assert not result.ok
    assert (result.differing_bytes, result.differing_argmax) == (0, 4 * 2 * 2)  # `separate` has a net.c of its own


def test_the_lowest_position_wins_a_tie_in_c_as_in_the_simulator(out: Path) -> None:
    edit(out / "net.c", "if (values[i] > values[best])", "if (values[i] >= values[best])")
    flat = np.zeros((1, 2, 5, 5), np.float32)  # every channel is as large everywhere
    assert builds.verify_folder(out, flat, "gcc", ("-O1",)).differing_argmax == 2 * 2


def test_a_run_that_does_not_end_is_told_in_time(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LEAST_SECONDS", 1.0)
    edit(out / "net.c", "    return NET_OK;\n}", "    for (;;)\n        ((volatile e8_s8 *)arena)[0] = 0;\n}")
    with pytest.raises(eightbit.EightbitError, match="the C does not end") as failed:
        check(out)
    assert failed.value.where == "traced build"
    assert "no end after 1 s" in failed.value.why
    assert failed.value.exit_status == 1


def test_the_time_a_run_may_take_grows_with_its_work() -> None:
    small = eightbit.compile(dense(), samples(4)).program
    wide = model([node("Gemm", "x w", "y")], {"x": [1, 2000]}, {"y": [1, 2000]}, {"w": weights(2000, 2000)})
    large = eightbit.compile(wide, samples(2000)).program
    assert verify.time_limit(small, 32) == verify.LEAST_SECONDS
    assert 20 * 2 * 64 * 4e6 / 200e6 <= verify.time_limit(large, 64) <= 1.1 * 20 * 2 * 64 * 4e6 / 200e6


def test_a_constant_that_makes_a_call_write_behind_its_tensor_is_caught(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "a"), node("MaxPool", "a", "b", kernel_shape=[2, 2]), node("Tanh", "b", "y")]
    proto = model(nodes, {"x": [1, 1, 6, 6]}, {"y": [1, 4, 3, 3]}, {"w": weights(4, 1, 3, 3)})
    out = eightbit.compile(proto, samples(1, 6, 6), name="net").write(tmp_path / "out")
    text = (out / "net_weights.inc").read_text()
    before, mark, after = text.partition("e8_maxpool_s8_params E8_ROM net_maxpool_2 = {")
    assert mark
    (out / "net_weights.inc").write_text(before + mark + after.replace(".ch = 4", ".ch = 5", 1))
    result = builds.verify_folder(out, samples(1, 6, 6), "gcc", ("-O1",))
    assert (result.ok, result.guard_broken_by) == (False, "maxpool_2")


def test_a_status_that_is_not_ok_is_caught(out: Path) -> None:
    edit(out / "net.c", "    return NET_OK;\n}", "    return NET_NO_CONTEXT;\n}")
    assert not check(out).ok


def test_a_crash_is_an_answer_and_no_traceback(out: Path) -> None:
    edit(out / "net.c", "    return NET_OK;\n}", "    *(volatile int *)0 = 1;\n    return NET_OK;\n}")
    with pytest.raises(eightbit.EightbitError, match="the C crashes"):
        check(out)


def test_a_missing_compiler_names_the_package(out: Path) -> None:
    with pytest.raises(eightbit.InputError, match="no program 'nocc'") as failed:
        check(out, cc="nocc")
    assert "--cc" in failed.value.hint


def test_seeded_vectors_serve_where_there_are_no_samples(tmp_path: Path) -> None:
    out = eightbit.compile(dense(), samples(4)).write(tmp_path / "out")
    result = builds.verify_folder(out, None, "clang", ("-O2",))
    assert result.ok
    assert result.samples == builds.SEEDED


def test_the_output_folder_is_not_written(out: Path) -> None:
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    check(out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
