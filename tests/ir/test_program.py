# SPDX-License-Identifier: Apache-2.0
"""The Program: its text says all there is, its checker finds what is wrong, its rewrites keep the bits."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import eightbit
from eightbit import simulate
from eightbit.emission import vectors
from eightbit.ir import check, optimize, program_text
from eightbit.ir.program import Program
from models import conv_relu, model, node, samples, weights


@pytest.fixture(scope="module")
def build() -> eightbit.Build:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "b"),
        node("AveragePool", "b", "c", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Tanh", "c", "d"),
        node("Flatten", "d", "e"),
        node("Gemm", "e v", "f"),
        node("Softmax", "f", "y"),
    ]
    consts = {"w": weights(4, 2, 3, 3), "v": weights(36, 5)}
    return eightbit.compile(model(nodes, {"x": [1, 2, 6, 6]}, {"y": [1, 5]}, consts), samples(2, 6, 6))


def arrays(program: Program) -> dict[str, np.ndarray]:
    return dict(program.arrays())


def test_the_text_and_its_constants_read_back_as_the_same_program(build: eightbit.Build, tmp_path: Path) -> None:
    text = program_text.print_program(build.program)
    again = program_text.parse(text, arrays(build.program), "test")
    assert program_text.print_program(again) == text
    assert again.inputs == build.program.inputs
    assert again.tensors == build.program.tensors
    assert [c.params for c in again.calls] == [c.params for c in build.program.calls]


def test_compiling_a_saved_program_gives_the_same_bytes_of_c(build: eightbit.Build, tmp_path: Path) -> None:
    build.write(tmp_path / "out")
    again = eightbit.compile(tmp_path / "out" / "program.txt")
    assert again.emission.files == build.emission.files
    assert again.files()["program.npz"] == build.files()["program.npz"]


def test_every_call_prints_its_proof(build: eightbit.Build) -> None:
    lines = program_text.print_program(build.program).splitlines()
    requantised = [c for c in build.program.calls if hasattr(c.params, "out_rshift")]
    linear = [c for c in build.program.calls if "weights" in c.consts]
    for keyword, calls in (("acc", requantised), ("weight_scale", linear), ("range", build.program.calls)):
        assert sum(line.startswith(f"  {keyword} ") for line in lines) == len(calls)


def test_the_proof_reads_back_as_it_was_printed(build: eightbit.Build) -> None:
    again = program_text.parse(program_text.print_program(build.program), arrays(build.program), "test")
    assert [c.proof for c in again.calls] == [c.proof for c in build.program.calls]


def proof_line(program: Program, keyword: str) -> str:
    """That line of the convolution."""
    text = program_text.print_program(program)
    return next(line for line in text[text.index("= conv") :].splitlines() if line.startswith(f"  {keyword} "))


def edited(build: eightbit.Build, tmp_path: Path, old: str, new: str) -> str:
    """Why the Program is refused after its text was edited."""
    out = build.write(tmp_path / "out")
    text = (out / "program.txt").read_text()
    assert old in text
    (out / "program.txt").write_text(text.replace(old, new, 1))
    with pytest.raises(eightbit.EightbitError) as caught:
        program_text.load_program(out / "program.txt")
    return caught.value.why


def test_a_proof_that_claims_too_little_or_too_much_is_refused(build: eightbit.Build, tmp_path: Path) -> None:
    line = proof_line(build.program, "acc")
    low, high = line.split()[1:3]
    for end in (int(high) - 1, int(high) + 1):
        wrong = line.replace(f"acc {low} {high} ", f"acc {low} {end} ").replace(f":{high}", f":{end}")
        assert re.match(rf"conv_\d: acc of channel \d is .*, not .*{end}", edited(build, tmp_path, line, wrong))
        shutil.rmtree(tmp_path / "out")


@pytest.mark.parametrize(
    ("keyword", "edit", "why"),
    [
        ("acc", lambda line: re.sub(r"acc (\S+) ", r"acc \g<1>0 ", line), "is not that of all channels"),
        ("acc", lambda line: line.rpartition(" ")[0], "is not that of all channels|acc is not given per channel"),
        ("acc", lambda line: "", "acc is not given per channel"),
        ("range", lambda line: line.rpartition(" ")[0], "range is not given per channel"),
        ("range", lambda line: "", "has a proof without a range"),
        ("range", lambda line: line.replace("per channel ", ""), "'per channel' is missing"),
        ("weight_scale", lambda line: "", "weight_scale is not given per channel"),
        (
            "weight_scale",
            lambda line: re.sub(r" (\d+)/", r" 1\1/", line, count=1),
            "weight_scale of channel 0 is|lowest terms",
        ),
        ("weight_scale", lambda line: re.sub(r" (\d+)/(\d+)$", r" \g<1>0/\g<2>0", line), "is not in lowest terms"),
        ("weight_scale", lambda line: re.sub(r"/\d+$", "/0", line), "Fraction"),
    ],
)
def test_a_damaged_proof_is_refused(
    build: eightbit.Build, tmp_path: Path, keyword: str, edit: Callable[[str], str], why: str
) -> None:
    line = proof_line(build.program, keyword)
    assert re.search(why, edited(build, tmp_path, line + "\n", f"{edit(line)}\n"))


def test_a_program_without_proofs_is_refused(build: eightbit.Build, tmp_path: Path) -> None:
    out = build.write(tmp_path / "out")
    kept = [
        line
        for line in (out / "program.txt").read_text().splitlines(keepends=True)
        if not line.startswith(("  acc ", "  weight_scale ", "  range "))
    ]
    (out / "program.txt").write_text("".join(kept))
    with pytest.raises(eightbit.EightbitError, match="not well formed") as caught:
        program_text.load_program(out / "program.txt")
    assert "its proof is missing" in caught.value.why


@pytest.mark.parametrize("role", ["weights", "bias", "mult"])
def test_a_changed_constant_contradicts_the_proof(build: eightbit.Build, role: str) -> None:
    conv = next(c for c in build.program.calls if c.op == "conv")
    array = conv.consts[role].copy()
    array.flat[0] += 1
    wrong = replace(conv, consts={**conv.consts, role: array})
    calls = tuple(wrong if c is conv else c for c in build.program.calls)
    findings = check.check(replace(build.program, calls=calls))
    assert any(f"{conv.name}: {'weight_scale' if role == 'mult' else 'acc'} of channel 0" in text for text in findings)


def broken(program: Program, op: str, **params: int) -> list[str]:
    """The findings after one call's params were changed."""
    calls = [replace(c, params=replace(c.params, **params)) if c.op == op else c for c in program.calls]
    return check.check(replace(program, calls=tuple(calls)))


def test_the_checker_finds_nothing_in_a_good_program(build: eightbit.Build) -> None:
    assert check.check(build.program) == []


@pytest.mark.parametrize(
    ("op", "params", "finding"),
    [
        ("conv", {"out_c": 0}, "out_c"),
        ("conv", {"in_h": 70000}, "does not fit e8_s16"),
        ("conv", {"acc_lshift": 25}, "beyond 2^6"),
        ("conv", {"act_min": 100, "act_max": 50}, "is not an s8 interval"),
        ("conv", {"groups": 3}, "do not split into 3 groups"),
        ("avgpool", {"count_y1": 3}, "without a multiplier"),
        ("avgpool", {"out_rshift": 24}, "out of range"),
        ("fc", {"in_n": 35}, "input has 36 elements"),
        ("softmax", {"ch": 4}, "params are for rows"),
        ("lut", {"w": 1}, "params are for rows"),
    ],
)
def test_the_checker_names_a_wrong_field(build: eightbit.Build, op: str, params: dict[str, int], finding: str) -> None:
    assert any(finding in text for text in broken(build.program, op, **params))


def test_the_checker_finds_a_call_that_reads_what_does_not_exist_yet(build: eightbit.Build) -> None:
    swapped = replace(build.program, calls=build.program.calls[::-1])
    assert check.check(swapped)


def test_a_weight_array_of_another_shape_is_found(build: eightbit.Build) -> None:
    conv = next(c for c in build.program.calls if c.op == "conv")
    wrong = replace(conv, consts={**conv.consts, "weights": conv.consts["weights"][:3]})
    calls = tuple(wrong if c is conv else c for c in build.program.calls)
    assert any("weights has shape" in text for text in check.check(replace(build.program, calls=calls)))


def test_fusing_clamps_changes_no_bit() -> None:
    nodes = [node("Conv", "x w", "a"), node("Relu", "a", "b"), node("Clip", "b lo hi", "y")]
    consts = {"w": weights(3, 2, 3, 3), "lo": np.float32(0.2), "hi": np.float32(0.9)}
    proto = model(nodes, {"x": [1, 2, 5, 5]}, {"y": [1, 3, 3, 3]}, consts)
    fused = eightbit.compile(proto, samples(2, 5, 5)).program
    assert "clamp" not in [c.op for c in fused.calls]
    clamps = {"act_min": -128, "act_max": 127}
    conv = next(c for c in fused.calls if c.op == "conv")
    open_ = replace(
        fused, calls=tuple(replace(c, params=replace(c.params, **clamps)) if c is conv else c for c in fused.calls)
    )
    x = {fused.inputs[0].tensor: vectors.vector(0, 50).reshape(1, 5, 5, 2)}
    x = {name: array.reshape(1, *fused.tensors[name].shape) for name, array in x.items()}
    whole = simulate.run(open_, x)[conv.output]
    assert (simulate.run(fused, x)[conv.output] == np.clip(whole, conv.params.act_min, conv.params.act_max)).all()


def test_clamps_that_do_not_meet_fuse_to_the_last_one() -> None:
    nodes = [node("Gemm", "x w", "a"), node("Clip", "a l1 h1", "b"), node("Clip", "b l2 h2", "y")]
    bounds = {"l1": np.float32(-1), "h1": np.float32(-0.5), "l2": np.float32(0.5), "h2": np.float32(1)}
    proto = model(nodes, {"x": [1, 4]}, {"y": [1, 3]}, {"w": weights(4, 3), **bounds})
    build = eightbit.compile(proto, samples(4))
    assert abs(build.simulate_float(samples(4))["y"] - 0.5).max() < 0.01


def test_calls_are_numbered_without_gaps() -> None:
    program = eightbit.compile(conv_relu(), samples(2, 5, 5)).program
    assert [c.name for c in program.calls] == [f"{c.op}_{i}" for i, c in enumerate(program.calls, start=1)]
    assert optimize.renumber(program) == program


@pytest.mark.parametrize("op", ["conv", "avgpool"])
@pytest.mark.parametrize("field", ["stride_y", "dil_x", "kh", "pad_top"])
def test_a_geometry_that_no_window_has_is_found(build: eightbit.Build, op: str, field: str) -> None:
    assert any(field in text and "is less than" in text for text in broken(build.program, op, **{field: -1}))
