# SPDX-License-Identifier: Apache-2.0
"""Trouble that users of other tools met, rebuilt: each of these went wrong somewhere."""

from __future__ import annotations

import itertools
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from command_line import run
from eightbit.bench import stack_usage
from eightbit.ir.fixed import round_half_up
from models import model, node, samples, weights


def exact_average(x: np.ndarray, window: tuple[int, int, int], out: int, include_pad: bool) -> list[list[Fraction]]:
    """Averages of a square integer image by the operator's definition: cells past the padding never count."""
    kernel, stride, pad = window
    size = len(x)
    found = []
    for top, left in itertools.product(range(-pad, -pad + out * stride, stride), repeat=2):
        cells = list(itertools.product(range(top, top + kernel), range(left, left + kernel)))
        inside = [int(x[i, j]) for i, j in cells if 0 <= i < size and 0 <= j < size]
        counted = [c for c in cells if all(-pad <= v < size + pad for v in c)] if include_pad else inside
        found.append(Fraction(sum(inside), len(counted)))
    return [found[i : i + out] for i in range(0, len(found), out)]


@pytest.mark.parametrize("opset", [11, 17, 22])
@pytest.mark.parametrize("include_pad", [0, 1])
@pytest.mark.parametrize("window", [(3, 2, 1), (3, 2, 0), (2, 3, 1), (3, 3, 1)])
def test_windows_that_hang_over_the_border_divide_by_the_cells_that_count(
    window: tuple[int, int, int], include_pad: int, opset: int
) -> None:
    kernel, stride, pad = window
    shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    pool = node("AveragePool", "x", "y", ceil_mode=1, count_include_pad=include_pad, **shape)
    proto = model([pool], {"x": [1, 1, 8, 8]}, {"y": None}, opset=opset)
    x = samples(1, 8, 8, count=6)
    build = eightbit.compile(proto, x)
    tensor = build.program.tensors["input"]
    out = build.program.tensors[build.program.outputs[0].tensor]
    made = build.simulate(x)["y"][:, 0, 0]
    for sample, result in zip(x[:, 0], made, strict=True):
        q = (
            np.clip(np.floor(sample / tensor.scale + 0.5) + tensor.zero_point, -128, 127).astype(int)
            - tensor.zero_point
        )
        exact = exact_average(q, window, result.shape[0], bool(include_pad))
        ratio = tensor.ratio / out.ratio
        expected = [[round_half_up(a * ratio) + out.zero_point for a in row] for row in exact]
        assert result.tolist() == np.clip(expected, -128, 127).tolist()


def odd_names() -> onnx.ModelProto:
    """Names that are no C identifiers, a keyword, a number, names equal once cleaned, and no node names."""
    nodes = [
        node("Conv", "a:0 w/1 1.5", "for", pads=[1, 1, 1, 1]),
        node("Relu", "for", "a-0"),
        node("Conv", "a_0x w/2", "9"),
    ]
    nodes[2].input[0] = "a-0"
    consts = {"w/1": weights(4, 2, 3, 3), "1.5": weights(4), "w/2": weights(3, 4, 1, 1)}
    return model(nodes, {"a:0": [1, 2, 5, 4]}, {"9": [1, 3, 5, 4], "a-0": [1, 4, 5, 4]}, consts)


@pytest.mark.parametrize(("cc", "cxx"), [("gcc", "g++"), ("clang", "clang++")])
def test_names_that_are_no_identifiers_compile_as_c_and_cxx(tmp_path: Path, cc: str, cxx: str) -> None:
    build = eightbit.compile(odd_names(), samples(2, 5, 4), name="int/2.v1-β")
    assert build.verify(samples(2, 5, 4), cc).ok
    out = build.write(tmp_path / "out")
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only", "-x", "c++"]
    subprocess.run([cxx, *flags, out / f"{build.emission.name}.h"], check=True)


def test_two_models_with_equal_names_inside_link_and_run_together(tmp_path: Path) -> None:
    for name, width in (("twin_a", 3), ("twin_b", 7)):
        proto = model([node("Gemm", "x w", "y")], {"x": [1, 4]}, {"y": [1, width]}, {"w": weights(4, width)})
        eightbit.compile(proto, samples(4), name=name).write(tmp_path / name)
    (tmp_path / "main.c").write_text(
        '#include "twin_a.h"\n#include "twin_b.h"\nstatic twin_a_context a;\nstatic twin_b_context b;\n'
        "int main(void) { return twin_a_run(&a) || twin_b_run(&b)"
        " || TWIN_A_OUTPUT_SIZE != 3 || TWIN_B_OUTPUT_SIZE != 7; }\n"
    )
    sources = [tmp_path / "main.c", tmp_path / "twin_a" / "twin_a.c", tmp_path / "twin_b" / "twin_b.c"]
    folders = [f"-I{tmp_path / name}" for name in ("twin_a", "twin_b")]
    subprocess.run(["gcc", "-Wall", "-Werror", *folders, *sources, "-o", tmp_path / "both"], check=True)
    subprocess.run([tmp_path / "both"], check=True)


def test_shape_arithmetic_around_a_symbolic_batch_leaves_nothing_in_the_c() -> None:
    nodes = [
        node("Conv", "x w", "c"),
        node("Shape", "c", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n axes", "u"),
        node("Concat", "u rest", "t", axis=0),
        node("Reshape", "c t", "f"),
        node("Gemm", "f v", "y"),
    ]
    consts = {
        "w": weights(3, 1, 3, 3),
        "zero": np.array(0),
        "axes": np.array([0]),
        "rest": np.array([-1]),
        "v": weights(27, 4),
    }
    proto = model(nodes, {"x": ["N", 1, 5, 5]}, {"y": ["N", 4]}, consts)
    build = eightbit.compile(proto, samples(1, 5, 5))
    assert [c.op for c in build.program.calls] == ["conv", "fc"]
    assert "'N' is taken as a batch of 1" in build.notes[0].replace("first dimension ", "").replace("('N')", "'N'")


def test_a_narrow_image_needs_no_more_memory_than_its_plan_says() -> None:
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("Conv", "a d", "b", group=7, pads=[2, 2, 2, 2]),
        node("Conv", "b p", "y"),
    ]
    consts = {"w": weights(7, 3, 3, 3), "d": weights(7, 1, 5, 5), "p": weights(11, 7, 1, 1)}
    build = eightbit.compile(model(nodes, {"x": [1, 3, 20, 5]}, {"y": [1, 11, 20, 5]}, consts), samples(3, 20, 5))
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert build.verify(samples(3, 20, 5), "clang", flags).ok


def test_an_input_that_is_read_again_after_four_layers_is_there_still_and_is_not_changed() -> None:
    shared = {"pads": [1, 1, 1, 1]}
    nodes = [node("Conv", f"h{i} w{i}", f"c{i + 1}", **shared) for i in range(4)]
    nodes += [node("Relu", f"c{i + 1}", f"h{i + 1}") for i in range(4)]
    nodes = [part for pair in zip(nodes[:4], nodes[4:], strict=True) for part in pair] + [node("Add", "h4 h0", "y")]
    consts = {f"w{i}": weights(4, 4, 3, 3, seed=i) for i in range(4)}
    proto = model(nodes, {"h0": [1, 4, 12, 9]}, {"y": [1, 4, 12, 9]}, consts)
    x = samples(4, 12, 9, count=20)
    for io in ("arena", "caller"):
        build = eightbit.compile(proto, x, io=io)
        result = build.verify(x, "clang", ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"))
        assert result.ok
        assert result.inputs_intact
        convolutions = [call.output for call in build.program.calls if call.op == "conv"]
        read_last = build.layout.places["input"].last
        assert all(build.layout.places[tensor].first < read_last for tensor in convolutions)


def test_a_large_intermediate_value_lies_in_the_context_and_not_on_the_stack(tmp_path: Path) -> None:
    nodes = [node("Conv", "x w", "h", pads=[1, 1, 1, 1]), node("Relu", "h", "r"), node("Conv", "r v", "y")]
    consts = {"w": weights(16, 1, 3, 3), "v": weights(2, 16, 1, 1)}
    proto = model(nodes, {"x": [1, 1, 96, 96]}, {"y": [1, 2, 96, 96]}, consts)
    build = eightbit.compile(proto, samples(1, 96, 96, count=2), target="cortex-m4")
    assert build.report()["arena_bytes"] >= 16 * 96 * 96
    out = build.write(tmp_path / "out")
    name = build.emission.name
    command = ["gcc", "-std=c99", "-O2", *stack_usage.flags("gcc"), "-c", out / f"{name}.c", "-o", tmp_path / "net.o"]
    subprocess.run(command, check=True)
    bound = stack_usage.bound(tmp_path / "net.ci", f"{name}_run")
    assert bound is not None
    assert bound < 1024


def test_three_operators_that_nobody_can_compile_are_named_in_one_run(tmp_path: Path) -> None:
    nodes = [
        node("RandomNormalLike", "x", "a", name="augment_noise"),
        node("Unique", "a", "b", name="unique_values"),
        node("NonZero", "b", "c", name="find_nonzero"),
        node("Cast", "c", "y", to=onnx.TensorProto.FLOAT),
    ]
    onnx.save(model(nodes, {"x": ["N", 4]}, {"y": [1, "M"]}), tmp_path / "net.onnx")
    result = run("compile", tmp_path / "net.onnx", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert all(name in result.stderr for name in ("augment_noise", "unique_values", "find_nonzero"))
    assert not (tmp_path / "out").exists()


def test_a_channel_that_is_all_but_dead_neither_overflows_nor_divides_by_zero() -> None:
    w = weights(4, 2, 3, 3)
    w[1], w[2], w[3] = w[1] * 2.0**-31, 0.0, w[3] * 2.0**-120
    bias = np.array([0.1, 2.5, -1.75, 0.0])
    proto = model([node("Conv", "x w b", "y")], {"x": [1, 2, 6, 6]}, {"y": [1, 4, 4, 4]}, {"w": w, "b": bias})
    x = samples(2, 6, 6, count=20)
    build = eightbit.compile(proto, x)
    assert build.verify(x).ok
    made = build.simulate_float(x)["y"][:, 0]
    step = build.program.tensors[build.program.outputs[0].tensor].scale
    for channel, constant in ((1, 2.5), (2, -1.75), (3, 0.0)):
        assert np.abs(made[:, channel] - constant).max() <= step
