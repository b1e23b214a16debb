# SPDX-License-Identifier: Apache-2.0
"""`--io caller`: inputs and outputs in buffers of the caller, which a run reads or writes and nothing else."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit.audit import audit
from models import conv_relu, dense, model, node, samples, weights

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
SANITIZE = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def corners() -> onnx.ModelProto:
    """The input as two outputs, one tensor as two outputs, an output that later calls read: no tensor is left over."""
    nodes = [
        node("Flatten", "x", "f"),
        node("Relu", "f", "a"),
        node("Reshape", "a s", "b"),
        node("Gemm", "a w", "c"),
        node("Gemm", "c v", "d"),
    ]
    outputs = {"x": [1, 2, 3, 2], "f": [1, 12], "a": [1, 12], "b": [1, 4, 3], "c": [1, 5], "d": [1, 3]}
    consts = {"s": np.array([1, 4, 3]), "w": weights(12, 5), "v": weights(5, 3)}
    return model(nodes, {"x": [1, 2, 3, 2]}, outputs, consts)


def reshaped() -> onnx.ModelProto:
    """Reshapes before the first call and after the last: each chain is one place."""
    nodes = [
        node("Reshape", "x s", "r"),
        node("Reshape", "r q", "image"),
        node("Conv", "image w", "c"),
        node("Tanh", "c", "t"),
        node("Conv", "t v", "d"),
        node("Flatten", "d", "f"),
        node("Reshape", "f z", "y"),
        node("Gemm", "r u", "g"),
    ]
    consts = {"s": np.array([1, 36]), "q": np.array([1, 2, 3, 6]), "z": np.array([1, 2, 2])}
    consts |= {"w": weights(3, 2, 3, 3), "v": weights(1, 3, 1, 1), "u": weights(36, 2)}
    return model(nodes, {"x": [1, 2, 18]}, {"y": [1, 2, 2], "g": [1, 2]}, consts)


def several() -> onnx.ModelProto:
    """Two inputs, one of them planes, added; two outputs."""
    nodes = [
        node("Conv", "left w", "c", pads=[1, 1, 1, 1]),
        node("Conv", "right v", "d"),
        node("Add", "c d", "sum"),
        node("MaxPool", "sum", "small", kernel_shape=[2, 2]),
        node("Sigmoid", "sum", "gate"),
    ]
    inputs, outputs = {"left": [1, 2, 6, 6], "right": [1, 3, 6, 6]}, {"gate": [1, 4, 6, 6], "small": [1, 4, 5, 5]}
    return model(nodes, inputs, outputs, {"w": weights(4, 2, 3, 3), "v": weights(4, 3, 1, 1)})


def both() -> dict[str, np.ndarray]:
    return {"left": samples(2, 6, 6, count=8), "right": samples(3, 6, 6, count=8, seed=5)}


CASES = {
    "corners": (corners(), samples(2, 3, 2, count=8)),
    "reshaped": (reshaped(), samples(2, 18, count=8)),
    "several": (several(), both()),
    "one call": (dense(), samples(4, count=8)),
}


def caller(name: str) -> eightbit.Build:
    proto, x = CASES[name]
    return eightbit.compile(proto, x, name="net", io="caller")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return eightbit.compile(conv_relu(), samples(2, 5, 5), name="net", io="caller").write(tmp_path / "out")


def check(out: Path) -> eightbit.VerifyResult:
    return eightbit.build.verify_folder(out, samples(2, 5, 5), "gcc", ("-O1",))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def ran(out: Path, tmp_path: Path, main: str, *more: str) -> int:
    """Exit status of a main() that uses the model."""
    (tmp_path / "main.c").write_text('#include "net.h"\n' + main)
    command = ["gcc", *STRICT, "-I", out, *more, tmp_path / "main.c", out / "net.c", "-o", tmp_path / "main"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return subprocess.run([tmp_path / "main"], check=False).returncode


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("cc", "flags"), [("gcc", ("-O2",)), ("clang", SANITIZE)], ids=["gcc", "sanitizers"])
def test_the_bits_are_those_of_the_simulator_and_the_auditor_agrees(
    case: str, cc: str, flags: tuple[str, ...], tmp_path: Path
) -> None:
    build = caller(case)
    result = build.verify(CASES[case][1], cc, flags)
    assert result.ok, result
    report = audit(build.write(tmp_path / "out"))
    assert report.ok, report.findings
    assert report.proven["buffers of the caller"] > 8


@pytest.mark.parametrize("case", CASES)
def test_the_arena_holds_neither_inputs_nor_outputs(case: str) -> None:
    proto, x = CASES[case]
    arena, layout = eightbit.compile(proto, x, name="net"), caller(case).layout
    program, report = arena.program, caller(case).report()
    ports = [port.tensor for port in (*program.inputs, *program.outputs)]
    assert report["io_bytes"] == sum(program.tensors[name].size for name in ports)
    assert report["context_pointers"] == len(ports)
    inner = {place for name, place in layout.places.items() if layout.buffer(name) is None}
    assert layout.activation_bytes == max((place.offset + place.size for place in inner), default=0)
    assert layout.activation_bytes <= arena.layout.activation_bytes
    assert all(layout.buffer(name) for name in ports)
    assert arena.report()["io_bytes"] == arena.report()["context_pointers"] == 0


def test_an_output_that_a_later_call_reads_and_a_reshape_share_one_buffer() -> None:
    build = caller("corners")
    text = str(build.files()["plan.txt"])
    assert "io_bytes 68, the caller's buffers" in text
    assert re.findall(r"^copy (.*)", text, re.MULTILINE) == [
        "output_x from input",
        "output_f from input",
        "output_b from output_a",
    ]
    assert build.layout.activation_bytes == 0
    assert "arena" not in re.sub(r"/\*.*?\*/", "", str(build.files()["net.c"])).replace("ARENA", "").replace(
        "arena_holds_all", ""
    )
    read = {place for name, place in build.layout.places.items() if build.layout.buffer(name) == "input"}
    assert len(read) == 1


def test_a_chain_of_reshapes_is_one_place_in_the_buffer() -> None:
    build = caller("reshaped")
    found: dict[str | None, list[str]] = {}
    for tensor in build.program.tensors.values():
        found.setdefault(build.layout.buffer(tensor.name), []).append(tensor.name)
    assert {buffer: len(names) for buffer, names in found.items()} == {
        "input": 2,
        None: 2,
        "output_y": 2,
        "output_g": 1,
    }
    assert build.layout.buffers is not None
    assert build.layout.buffers.copies == ()


def test_the_c_of_an_arena_build_does_not_know_of_buffers() -> None:
    files = eightbit.compile(conv_relu(), samples(2, 5, 5), name="net").files()
    assert eightbit.compile(conv_relu(), samples(2, 5, 5), name="net", io="arena").files() == files
    for name in ("net.c", "net.h", "plan.txt", "net_selftest.c"):
        assert not re.search(r"bind|NO_BUFFER|IO_BYTES|io_bytes", str(files[name])), name


def test_a_run_without_buffers_is_a_status(out: Path, tmp_path: Path) -> None:
    main = """
int main(void)
{
    static e8_s8 in[NET_INPUT_SIZE], out[NET_OUTPUT_SIZE];
    static net_context net;

    return net_run(0) != NET_NO_CONTEXT || net_bind(0, in, out) != NET_NO_CONTEXT || net_init(&net) != NET_OK ||
           net_run(&net) != NET_NO_BUFFER || net_bind(&net, 0, out) != NET_NO_BUFFER ||
           net_run(&net) != NET_NO_BUFFER || net_bind(&net, in, 0) != NET_NO_BUFFER ||
           net_run(&net) != NET_NO_BUFFER || net_bind(&net, in, out) != NET_OK || net_run(&net) != NET_OK ||
           net_output(&net) != out || net_init(&net) != NET_OK || net_run(&net) != NET_NO_BUFFER;
}
"""
    assert ran(out, tmp_path, main) == 0


def test_double_buffers_are_bound_in_turn_and_keep_what_they_hold(out: Path, tmp_path: Path) -> None:
    main = """
#include <string.h>
int main(void)
{
    static e8_s8 in[2][NET_INPUT_SIZE], out[2][NET_OUTPUT_SIZE], kept[2][NET_OUTPUT_SIZE];
    static net_context net;
    int i, run, wrong = 0;

    for (i = 0; i < NET_INPUT_SIZE; i++) {
        in[0][i] = (e8_s8)(i * 5 - 120);
        in[1][i] = (e8_s8)(60 - i);
    }
    wrong += net_init(&net) != NET_OK;
    for (run = 0; run < 6; run++) {
        const int at = run % 2;

        wrong += net_bind(&net, in[at], out[at]) != NET_OK || net_run(&net) != NET_OK;
        if (run < 2)
            memcpy(kept[at], out[at], sizeof kept[at]);
        wrong += memcmp(kept[at], out[at], sizeof kept[at]) != 0;
        wrong += run > 0 && memcmp(kept[!at], out[!at], sizeof kept[!at]) != 0;
    }
    return wrong || !memcmp(kept[0], kept[1], sizeof kept[0]) || in[0][3] != 3 * 5 - 120 || in[1][3] != 57;
}
"""
    assert ran(out, tmp_path, main, *SANITIZE) == 0


def test_a_kernel_that_writes_its_input_is_caught_and_named(out: Path) -> None:
    edit(out / "net.c", "        NET_TRACE(1, out", "        input[1] ^= 1;\n        NET_TRACE(1, out")
    result = check(out)
    assert result.guard_broken_by == "conv_2"
    assert not result.inputs_intact
    assert result.guards_intact
    assert not result.ok


@pytest.mark.parametrize("place", ["input[-1]", "input[NET_INPUT_SIZE]", "output[-1]", "output[NET_OUTPUT_SIZE]"])
def test_a_write_beside_a_buffer_is_caught(out: Path, place: str) -> None:
    edit(out / "net.c", "    return NET_OK;\n}\n\nconst", f"    {place} = 3;\n    return NET_OK;\n}}\n\nconst")
    result = check(out)
    assert not result.guards_intact
    assert not result.ok


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_self_test_passes(case: str, cc: str, tmp_path: Path) -> None:
    out = caller(case).write(tmp_path / "out")
    sources = [out / "net.c", out / "net_selftest.c"]
    command = [cc, *STRICT, "-O2", "-DNET_SELFTEST", "-DNET_SELFTEST_MAIN", *sources, "-o", tmp_path / "selftest"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run([tmp_path / "selftest"], capture_output=True, text=True, check=False).stdout
    assert shown.endswith(" PASS\n")
    golden = (
        caller(case).files()["net_selftest.c"],
        eightbit.compile(*CASES[case], name="net").files()["net_selftest.c"],
    )
    assert len({re.findall(r"GOLDEN (\w+)", str(text))[0] for text in golden}) == 1  # of both modes


def test_the_header_is_cpp_too(out: Path) -> None:
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only", "-x", "c++")
    for header in ("net.h", "net_io.h"):
        done = subprocess.run(["g++", *flags, "-Wno-unused-function", out / header], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_readme_of_the_build_shows_how_to_bind(out: Path) -> None:
    text = (out / "README.md").read_text()
    assert "net_bind(&net, input, output);" in text
    assert "static e8_s8 input[50];" in text
    assert "net_input(" not in text


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("plan.txt", "buffer output ", "buffer input ", "its buffer: input"),
        ("plan.txt", "tensor input buffer input ", "tensor input ", "its buffer: None"),
        ("plan.txt", "io_bytes 77", "io_bytes 78", "io_bytes: 78"),
        ("net.h", "NET_IO_BYTES 77", "NET_IO_BYTES 76", "NET_IO_BYTES: 76"),
        ("net.h", "    e8_s8 *output;\n", "", "the context:"),
        ("net.h", "const e8_s8 *input, e8_s8 *output);", "e8_s8 *output, const e8_s8 *input);", "what is bound"),
        ("net.c", "ctx->output = output;", "ctx->output = (e8_s8 *)input;", "the pointers that bind sets"),
        ("net.c", "    output = ctx->output;", "    output = ctx->arena.s8;", "the outputs of a run"),
        ("net.c", "{ input, ", "{ output, ", "its input views"),
        ("net.c", "    if (!ctx->input)\n        return NET_NO_BUFFER;\n", "", "the pointers that must be bound"),
        ("net.c", "    ctx->output = 0;\n", "", "the pointers that init clears"),
        ("net.c", "; input ->", "; output ->", "what its comments say"),
        ("net_selftest.c", "static e8_s8 output[27]", "static e8_s8 output[26]", "the size of the buffer output"),
        ("manifest.json", '"io": "caller"', '"io": "arena"', "its option io: arena"),
    ],
)
def test_the_auditor_names_what_is_wrong_with_a_buffer(out: Path, file: str, old: str, new: str, named: str) -> None:
    edit(out / file, old, new)
    assert named in "\n".join(map(str, audit(out).findings))


def test_a_buffer_in_an_arena_build_is_named(tmp_path: Path) -> None:
    out = eightbit.compile(dense(), samples(4), name="net").write(tmp_path / "out")
    edit(out / "plan.txt", "tensor input ", "tensor input buffer input ")
    assert "in buffers without io_bytes: ['tensor input']" in "\n".join(map(str, audit(out).findings))
