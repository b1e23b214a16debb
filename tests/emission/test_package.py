# SPDX-License-Identifier: Apache-2.0
"""Build folders drop into a project as they are: CMake's with the lines of its README, Arduino's as a library."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit import on_target
from eightbit.audit import audit
from eightbit.build import verify_folder
from emulators import needs_tools
from models import conv_relu, model, node, samples, weights

MCU = "-mmcu=atmega2560"
CORE = """
#include <stdio.h>
struct Port { void begin(long) {} void println(long value) { printf("%ld\\n", value); } };
static Port Serial;
static void delay(unsigned long) {}
"""
MAIN = "int main(void) { setup(); loop(); return 0; }\n"


def run(*command: object, cwd: Path | None = None) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def two_ports() -> onnx.ModelProto:
    """Two inputs and two outputs."""
    nodes = [node("Gemm", "left w", "a"), node("Relu", "a", "first"), node("Add", "first right", "second")]
    ports = {"left": [1, 4], "right": [1, 3]}, {"first": [1, 3], "second": [1, 3]}
    return model(nodes, *ports, {"w": weights(4, 3)})


def build_of(kind: str, **options: str) -> eightbit.Build:
    if kind == "one":
        return eightbit.compile(conv_relu(), samples(2, 5, 5), name="net", **options)
    return eightbit.compile(two_ports(), {"left": samples(4), "right": samples(3)}, name="net", **options)


# --- CMake ---------------------------------------------------------------------------------------------------


def test_the_lines_that_the_readme_shows_make_a_cmake_program(tmp_path: Path) -> None:
    build = build_of("one")
    readme = (build.write(tmp_path / "out") / "README.md").read_text()
    (lines,) = re.findall(r"```cmake\n(.*?)```", readme, re.DOTALL)
    project = "cmake_minimum_required(VERSION 3.13)\nproject(app C)\nadd_executable(your_program main.c)\n"
    (tmp_path / "CMakeLists.txt").write_text(project + lines.replace("path/to/this/folder", "out"))
    use = "int main(void) { return net_init(&net) == NET_OK && net_run(&net) == NET_OK ? 0 : 1; }\n"
    (tmp_path / "main.c").write_text(f'#include "net.h"\nstatic net_context net;\n{use}')
    cmake = [sys.executable, "-m", "cmake"]
    run(*cmake, "-S", tmp_path, "-B", tmp_path / "build", "-DCMAKE_C_COMPILER=gcc")
    run(*cmake, "--build", tmp_path / "build")
    run(tmp_path / "build" / "your_program")


# --- Arduino and PlatformIO ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["one arena", "one caller", "two arena", "two caller"])
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[eightbit.Build, Path]:
    kind, io = request.param.split()
    build = build_of(kind, io=io, package="arduino", target="avr-atmega2560")
    return build, build.write(tmp_path_factory.mktemp("library") / "net")


def test_the_library_has_the_layout_that_arduino_wants(library: tuple[eightbit.Build, Path]) -> None:
    _, out = library
    pairs = dict(line.split("=", 1) for line in (out / "library.properties").read_text().splitlines())
    wanted = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert wanted < set(pairs)
    assert (pairs["name"], pairs["architectures"]) == ("net", "*")
    assert all((out / "src" / name).is_file() for name in pairs["includes"].split(","))
    assert not [path for path in out.iterdir() if path.suffix in {".c", ".h", ".inc"}]
    for sketch in out.glob("examples/*/*.ino"):
        assert sketch.stem == sketch.parent.name
    assert len(list(out.glob("examples/*/*.ino"))) == 1


def test_the_library_has_the_manifest_that_platformio_wants(library: tuple[eightbit.Build, Path]) -> None:
    _, out = library
    document = json.loads((out / "library.json").read_text())
    assert {"name", "version", "description", "frameworks", "platforms"} < set(document)
    assert (out / document["build"]["srcDir"] / document["headers"]).is_file()
    assert (out / document["build"]["includeDir"]).is_dir()


def sketch_of(out: Path, work: Path) -> Path:
    """The example as the Arduino IDE hands it to the compiler, with a stand-in for the core."""
    (text,) = (path.read_text() for path in out.glob("examples/*/*.ino"))
    (work / "Arduino.h").write_text(CORE)
    path = work / "sketch.cpp"
    path.write_text(f"#include <Arduino.h>\nvoid setup();\nvoid loop();\n{text}\n{MAIN}")
    return path


def test_the_library_and_its_sketch_compile_for_avr(library: tuple[eightbit.Build, Path], tmp_path: Path) -> None:
    _, out = library
    objects = []
    for source in sorted((out / "src").rglob("*.c")):
        objects.append(tmp_path / f"{source.stem}.o")
        flags = ("-std=gnu11", "-Os", "-Wall", "-Wextra", "-Werror", "-ffunction-sections", "-fdata-sections")
        run("avr-gcc", MCU, *flags, "-I", out / "src", "-c", source, "-o", objects[-1])
    sketch = sketch_of(out, tmp_path)
    flags = ("-std=gnu++11", "-Os", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-threadsafe-statics")
    elf = tmp_path / "sketch.elf"
    run("avr-g++", MCU, *flags, "-I", out / "src", "-I", tmp_path, sketch, *objects, "-Wl,--gc-sections", "-o", elf)
    assert elf.is_file()


def test_the_sketch_prints_where_the_largest_output_is(library: tuple[eightbit.Build, Path], tmp_path: Path) -> None:
    build, out = library
    sources = sorted((out / "src").glob("*.c"))
    for source in sources:
        run("gcc", "-std=gnu11", "-I", out / "src", "-c", source, "-o", tmp_path / f"{source.stem}.o")
    sketch = sketch_of(out, tmp_path)
    binary = tmp_path / "sketch"
    run("g++", "-I", out / "src", "-I", tmp_path, sketch, *(tmp_path / f"{s.stem}.o" for s in sources), "-o", binary)
    program = build.program
    zeros = {  # the integer 0, as a real value
        port.name: np.full((1, *port.shape[1:]), -tensor.scale * tensor.zero_point, np.float32)
        for port in program.inputs
        for tensor in [program.tensors[port.tensor]]
    }
    best = [int(value.argmax()) for value in build.simulate(zeros).values()]
    assert run(binary).split() == [str(index) for index in best]


def test_a_library_is_verified_and_audited_where_it_lies(library: tuple[eightbit.Build, Path]) -> None:
    build, out = library
    assert verify_folder(out, None, "gcc", ("-O1",)).ok
    assert build.verify().ok
    assert audit(out).ok
    constants = out / "src" / "net_weights.inc"
    text = constants.read_text()
    constants.write_text(re.sub(r"\d,", lambda found: f"{(int(found[0][0]) + 1) % 10},", text, count=1))
    assert not audit(out).ok
    constants.write_text(text)


def test_a_library_runs_and_is_measured_on_its_target(tmp_path: Path) -> None:
    needs_tools("avr-atmega2560", bench=True)
    out = build_of("one", package="arduino", target="avr-atmega2560").write(tmp_path / "net")
    assert on_target.verify_on(out, "avr-atmega2560", None).ok
    assert on_target.selftest_on(out, "avr-atmega2560").ok
    assert on_target.bench_on(out, "avr-atmega2560").json()["code_bytes"] > 0
    assert on_target.bench_on_host(out).json()["code_bytes"] > 0


def test_a_folder_that_becomes_of_the_other_kind_keeps_only_the_users_files(tmp_path: Path) -> None:
    out = build_of("one").write(tmp_path / "net")
    flat = {str(path.relative_to(out)) for path in out.rglob("*")}
    build_of("one", package="arduino").write(out)
    assert not (out / "net.c").exists()
    (out / "src" / "mine.c").write_text("int mine;\n")
    build_of("one").write(out)
    assert {str(path.relative_to(out)) for path in out.rglob("*")} == flat | {"src", "src/mine.c"}
    shutil.rmtree(out / "src")
    (out / "src").write_text("a file where a folder should be")
    with pytest.raises(eightbit.InputError, match="cannot write"):
        build_of("one", package="arduino").write(out)
    assert {str(path.relative_to(out)) for path in out.rglob("*")} == flat | {"src"}
