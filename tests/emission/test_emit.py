# SPDX-License-Identifier: Apache-2.0
"""The generated C: golden, deterministic, clean for two compilers, and its own self-test passes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit.emission import selftest, vectors
from eightbit.ir.fixed import quantise
from models import conv_relu, dense, model, node, samples, weights

GOLDEN = Path(__file__).parents[1] / "golden"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")
FORBIDDEN = re.compile(r"\b(float|double|malloc|calloc|alloca|goto)\b|//")


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def everything() -> onnx.ModelProto:
    """A graph in which every operator and kernel occurs, with two inputs and two outputs of odd names."""
    nodes = [
        node("Conv", "in/0 w", "a", pads=[1, 1, 0, 0], dilations=[1, 2]),
        node("Relu", "a", "b"),
        node("Conv", "b d", "c", group=4),
        node("AveragePool", "c", "e", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        node("MaxPool", "e", "f", kernel_shape=[2, 1]),
        node("Tanh", "f", "g"),
        node("GlobalAveragePool", "g", "h"),
        node("Flatten", "h", "i"),
        node("Gemm", "i v", "j"),
        node("Softmax", "j", "int"),
        node("Relu", "in.0", "k"),
        node("Transpose", "k", "Out-2", perm=[0, 3, 1, 2]),
    ]
    consts = {"w": weights(4, 2, 3, 3), "d": weights(8, 1, 2, 2), "v": weights(8, 5)}
    inputs = {"in/0": [1, 2, 9, 9], "in.0": [1, 3, 4, 5]}
    return model(nodes, inputs, {"int": [1, 5], "Out-2": [1, 5, 3, 4]}, consts)


def both(count: int = 8) -> dict[str, np.ndarray]:
    return {"in/0": samples(2, 9, 9, count=count), "in.0": samples(3, 4, 5, count=count, seed=3)}


@pytest.fixture(scope="module")
def build() -> eightbit.Build:
    return eightbit.compile(everything(), both(), name="Every thing")


@pytest.fixture(scope="module")
def out(build: eightbit.Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build.write(tmp_path_factory.mktemp("emit") / "out")


def test_every_kernel_is_used_by_this_graph(build: eightbit.Build) -> None:
    used = {kernel.op for kernel in build.selection.kernels.values()}
    assert used == {"conv", "depthwise", "fc", "maxpool", "avgpool", "gap", "softmax", "lut", "clamp", "permute"}


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_c_runs_with_the_bits_of_the_simulator(build: eightbit.Build, cc: str) -> None:
    result = build.verify(both(), cc)
    assert result.ok, result
    assert result.compared_bytes > 8 * 2 * 1000


def test_the_c_is_clean_under_the_sanitizers(build: eightbit.Build) -> None:
    flags = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    assert build.verify(both(), "clang", flags).ok


def test_a_build_holds_the_headers_that_its_files_include_and_no_other(out: Path) -> None:
    texts = [path.read_text() for path in (*out.glob("*.[ch]"), *out.glob("*.inc"))]
    included = {name for text in texts for name in re.findall(r'#include "(e8_\w+\.h)"', text)}
    assert {path.name for path in out.glob("e8_*.h")} == included


def test_several_inputs_and_outputs_carry_their_names(out: Path) -> None:
    header = (out / "every_thing.h").read_text()
    for name in ("input_in_0(", "input_in_0_2(", "output_int(", "output_out_2(", "argmax_int("):
        assert f"every_thing_{name}" in header


def test_there_are_exactly_two_c_files_and_no_float_in_the_model(out: Path) -> None:
    assert sorted(path.name for path in out.glob("*.c")) == ["every_thing.c", "every_thing_selftest.c"]
    for path in [out / "every_thing.c", *out.glob("*.inc")]:
        code = re.sub(r"/\*.*?\*/|#error.*|\"[^\"]*\"", "", path.read_text(), flags=re.DOTALL)
        assert not FORBIDDEN.search(code), path.name


@pytest.mark.parametrize(("cc", "cxx"), [("gcc", "g++"), ("clang", "clang++")])
def test_the_host_object_needs_nothing_and_writes_no_globals(out: Path, tmp_path: Path, cc: str, cxx: str) -> None:
    run(cc, *STRICT, "-O2", "-fno-pie", "-c", out / "every_thing.c", "-o", tmp_path / "m.o")
    undefined = {line.split()[-1] for line in run("nm", "-u", tmp_path / "m.o").splitlines()}
    assert undefined <= {"memcpy", "memset"}
    sections = [line.split() for line in run("size", "-A", tmp_path / "m.o").splitlines()]
    assert sum(int(s[1]) for s in sections if s and s[0].startswith((".data", ".bss"))) == 0
    flags = ("-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only", "-x", "c++")
    run(cxx, *flags, out / "every_thing.h")


@pytest.mark.parametrize("cc", ["gcc", "clang"])
def test_the_self_test_passes_and_prints_its_golden_hash(out: Path, tmp_path: Path, cc: str) -> None:
    sources = [out / "every_thing.c", out / "every_thing_selftest.c"]
    defines = ("-DEVERY_THING_SELFTEST", "-DEVERY_THING_SELFTEST_MAIN")
    run(cc, *STRICT, *defines, "-O2", "-I", out, *sources, "-o", tmp_path / "selftest")
    lines = run(tmp_path / "selftest").splitlines()
    golden = re.search(r"GOLDEN 0x([0-9a-f]{8})u", (out / "every_thing_selftest.c").read_text())
    assert golden is not None
    assert lines[-1] == f"every_thing hash {golden[1]} PASS"
    assert lines[0] == f"every_thing begin golden {golden[1]}"
    assert len(lines) == 2 + vectors.COUNT * 10


def test_the_self_test_names_the_call_that_is_wrong(out: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    run("cp", "-r", out, copy)
    kernel = copy / "e8_lut_s8__ref.inc"
    kernel.write_text(kernel.read_text().replace("+ 128", "+ 127"))
    sources = [copy / "every_thing.c", copy / "every_thing_selftest.c"]
    run("gcc", "-DEVERY_THING_SELFTEST", "-DEVERY_THING_SELFTEST_MAIN", *sources, "-o", tmp_path / "selftest")
    done = subprocess.run([tmp_path / "selftest"], capture_output=True, text=True, check=False)
    wrong = [line for line in done.stdout.splitlines() if line.endswith("WRONG")]
    assert done.returncode == 1
    assert wrong[0].split()[:5] == ["every_thing", "vector", "0", "call", "5"]
    assert done.stdout.endswith("FAIL\n")


def test_without_its_switch_the_self_test_file_is_empty(out: Path, tmp_path: Path) -> None:
    run("gcc", *STRICT, "-c", out / "every_thing_selftest.c", "-o", tmp_path / "s.o")
    assert run("nm", tmp_path / "s.o") == ""


def test_two_models_link_into_one_program(tmp_path: Path) -> None:
    for name, proto, shape in (("one", conv_relu(), (2, 5, 5)), ("two", dense(), (4,))):
        eightbit.compile(proto, samples(*shape), name=name).write(tmp_path / name)
    main = tmp_path / "main.c"
    main.write_text(
        '#include "one.h"\n#include "two.h"\n'
        "static union { one_context one; two_context two; } memory;\n"
        "int main(void) { return one_run(&memory.one) || two_run(&memory.two); }\n"
    )
    folders = [f"-I{tmp_path / 'one'}", f"-I{tmp_path / 'two'}"]
    sources = [main, tmp_path / "one" / "one.c", tmp_path / "two" / "two.c"]
    run("gcc", *STRICT, *folders, *sources, "-o", tmp_path / "both")
    run(tmp_path / "both")


def test_cmake_builds_the_library_and_the_self_test(out: Path, tmp_path: Path) -> None:
    cmake = [sys.executable, "-m", "cmake"]
    run(*cmake, "-S", out, "-B", tmp_path / "b", "-DEVERY_THING_BUILD_SELFTEST=ON", "-DCMAKE_C_COMPILER=gcc")
    run(*cmake, "--build", tmp_path / "b")
    assert (tmp_path / "b" / "libevery_thing.a").is_file()
    assert run(tmp_path / "b" / "every_thing_selftest").endswith("PASS\n")


def test_the_float_helpers_quantise_as_the_simulator_does(build: eightbit.Build, out: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        '#include <stdio.h>\n#include "every_thing_io.h"\n'
        "int main(void) { float x; while (fread(&x, sizeof x, 1, stdin) == 1)"
        ' printf("%d %.9g\\n", every_thing_input_in_0_from_real(x), (double)every_thing_output_int_to_real((e8_s8)7));'
        " return 0; }\n"
    )
    run("gcc", *STRICT, "-Wno-unused-function", "-I", out, main, "-o", tmp_path / "io")
    tensor = build.program.tensors["input_1"]
    steps = np.arange(-300, 300) * tensor.scale / 2
    x = np.concatenate([steps, samples(500).ravel() * 3, [1e30, -1e30, np.nan]]).astype(np.float32)
    shown = subprocess.run([tmp_path / "io"], input=x.tobytes(), capture_output=True, check=True).stdout.split()
    expected = quantise(x[:-1], tensor.scale, tensor.zero_point)
    assert [int(value) for value in shown[:-2:2]] == expected.tolist()
    probability = build.program.tensors[build.program.outputs[0].tensor]
    assert float(shown[1]) == probability.scale * (7 + 128)


def test_argmax_takes_the_lowest_index_of_equal_values(out: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        '#include <string.h>\n#include "every_thing.h"\n'
        "int main(void) { static every_thing_context c; e8_s8 *y = (e8_s8 *)every_thing_output_int(&c);"
        " memset(&c, 0, sizeof c); y[3] = 5; y[1] = 5; return every_thing_argmax_int(&c) != 1; }\n"
    )
    run("gcc", "-I", out, main, out / "every_thing.c", "-o", tmp_path / "argmax")
    run(tmp_path / "argmax")


def test_a_missing_context_is_a_status_and_no_crash(out: Path, tmp_path: Path) -> None:
    main = tmp_path / "main.c"
    main.write_text(
        '#include "every_thing.h"\nint main(void) { return every_thing_init(0) != EVERY_THING_NO_CONTEXT'
        " || every_thing_run(0) != EVERY_THING_NO_CONTEXT; }\n"
    )
    run("gcc", "-I", out, main, out / "every_thing.c", "-o", tmp_path / "null")
    run(tmp_path / "null")


def of_another_version(build: eightbit.Build, folder: Path) -> Path:
    """The same files, as another version of eightbit would have written them."""
    build.write(folder)
    for path in folder.iterdir():
        if path.suffix in {".c", ".h", ".inc"}:
            path.write_text(path.read_text().replace("E8_RUNTIME_VERSION 100", "E8_RUNTIME_VERSION 200"))
            path.write_text(path.read_text().replace("E8_RUNTIME_VERSION != 100", "E8_RUNTIME_VERSION != 200"))
    return folder


def refusal(folder: Path, source: Path) -> str:
    """What the compiler says of a file that must not compile."""
    done = subprocess.run(
        ["gcc", "-I", folder, "-c", source, "-o", "/dev/null"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "from different versions of eightbit" in done.stderr, done.stderr
    return done.stderr


def test_one_file_of_another_version_does_not_compile(build: eightbit.Build, out: Path, tmp_path: Path) -> None:
    other = of_another_version(build, tmp_path / "other")
    run("gcc", *STRICT, "-c", other / "every_thing.c", "-o", "/dev/null")
    code = [path.name for path in other.iterdir() if path.suffix in {".c", ".h", ".inc"}]
    for stale in code:
        mixed = tmp_path / stale.replace(".", "_")
        run("cp", "-r", other, mixed)
        run("cp", out / stale, mixed / stale)
        main = tmp_path / "main.c"  # all that a program may be made of
        main.write_text(
            '#define EVERY_THING_SELFTEST\n#include "every_thing.c"\n#include "every_thing_selftest.c"\n'
            '#include "every_thing_io.h"\n'
        )
        assert stale == "e8_types.h" or f"{stale} and e8_types.h" in refusal(mixed, main), stale


def test_two_models_of_different_versions_do_not_meet_unnoticed(tmp_path: Path) -> None:
    one = eightbit.compile(conv_relu(), samples(2, 5, 5), name="one").write(tmp_path / "one")
    two = of_another_version(eightbit.compile(dense(), samples(4), name="two"), tmp_path / "two")
    main = tmp_path / "main.c"
    main.write_text('#include "one/one.h"\n#include "two/two.h"\n')  # in one file
    assert "two.h and e8_types.h" in refusal(tmp_path, main)
    for number, (first, second) in enumerate(((one, two), (two, one))):  # all in one folder
        both = tmp_path / f"both{number}"
        run("cp", "-r", first, both)
        for path in second.glob("*.[chi]*"):
            run("cp", path, both / path.name)
        refusal(both, both / f"{first.name}.c")
    objects = []
    for folder in (one, two):  # each by itself: nothing is shared, and both work in one program
        objects.append(folder / "model.o")
        run("gcc", *STRICT, "-I", two, "-I", one, "-c", folder / f"{folder.name}.c", "-o", objects[-1])
    main.write_text(
        "int one_run(void *); int two_run(void *); int main(void) { return one_run(0) + two_run(0) != 2; }\n"
    )
    run("gcc", main, *objects, "-o", tmp_path / "both")
    run(tmp_path / "both")


def test_the_same_model_gives_the_same_bytes(build: eightbit.Build) -> None:
    again = eightbit.compile(everything(), both(), name="Every thing")
    assert again.files() == build.files()


def test_no_file_carries_a_path_of_this_machine(build: eightbit.Build) -> None:
    for name, data in build.files().items():
        text = data if isinstance(data, str) else data.decode("latin-1")
        assert str(Path.home()) not in text or str(Path.home()) == "/", name
        assert "/tmp" not in text, name


@pytest.mark.parametrize(
    "name", ["dense.h", "dense.c", "dense_io.h", "dense_weights.inc", "dense_selftest.c", "plan.txt", "program.txt"]
)
def test_a_small_network_gives_the_golden_files(name: str, update: bool, tmp_path: Path) -> None:
    proto = model(
        [node("Gemm", "x w b", "h"), node("Relu", "h", "y")],
        {"x": [1, 4]},
        {"y": [1, 3]},
        {"w": np.arange(-6, 6).reshape(4, 3) / 4, "b": np.array([0.5, 0.0, -0.5])},
    )
    calibration = tmp_path / "calibration.json"  # fixed: float runtimes may differ in a last bit
    calibration.write_text(json.dumps({"format": 1, "ranges": {"x": [-1, 1], "h": [0, 2.5]}, "biases": {}}))
    text = eightbit.compile(proto, calibration, name="dense").files()[name]
    assert isinstance(text, str)
    path = GOLDEN / name
    if update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text, "run pytest with --update if this change is meant"


def test_the_checksum_in_python_is_the_one_in_c() -> None:
    values = np.array([-128, 127, 0, 5], np.int8)
    expected = vectors.HASH_START
    for value in values.tolist():
        expected = (expected * vectors.HASH_STEP + value + 128) % 2**32
    assert vectors.checksum(values) == expected
    assert vectors.checksum(values[2:], vectors.checksum(values[:2])) == expected


def test_seeded_vectors_hold_extremes_and_differ(build: eightbit.Build) -> None:
    drawn = [vectors.vector(i, 500) for i in range(6)]
    assert set(np.unique(drawn[2])) == {-128, 127}
    assert {drawn[1].min(), drawn[1].max()} == {-128, 127}
    assert all((a != b).any() for i, a in enumerate(drawn) for b in drawn[:i])
    assert selftest.seeded_inputs(build.program, 0).keys() == {port.tensor for port in build.program.inputs}
