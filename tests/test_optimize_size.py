# SPDX-License-Identifier: Apache-2.0
"""`--optimize size`: the same bits from one copy of every kernel that several calls use."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

import eightbit
import real
from eightbit import kernels, target
from eightbit.execution import firmware
from eightbit.kernels.kernel import Kernel
from eightbit.planning import select
from emulators import needs_tools
from models import model, node, samples, weights

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-pedantic", "-Werror")


def deep() -> onnx.ModelProto:
    """Four convolutions, two pools, one dense layer."""
    nodes = [
        node("Conv", "x a", "c1", pads=[1, 1, 1, 1]),
        node("Relu", "c1", "r1"),
        node("Conv", "r1 b", "c2", strides=[2, 2]),
        node("MaxPool", "c2", "m", kernel_shape=[2, 2]),
        node("Conv", "m c", "c3"),
        node("Conv", "c3 d", "c4", pads=[1, 1, 1, 1]),
        node("MaxPool", "c4", "n", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "n", "f"),
        node("Gemm", "f e", "y"),
    ]
    sizes = {"a": (4, 1, 3, 3), "b": (6, 4, 3, 3), "c": (8, 6, 1, 1), "d": (8, 8, 3, 3), "e": (32, 5)}
    consts = {name: weights(*shape) for name, shape in sizes.items()}
    return model(nodes, {"x": [1, 1, 14, 14]}, {"y": [1, 5]}, consts)


def build(optimize: str) -> eightbit.Build:
    return eightbit.compile(deep(), samples(1, 14, 14, count=8), name="net", optimize=optimize)


def symbols(out: Path, *compiler: str) -> dict[str, int]:
    """Bytes of every function of the object."""
    command = [*compiler, *STRICT, "-c", out / "net.c", "-o", out / "net.o"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(["nm", "-S", out / "net.o"], capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^\w+ (\w+) [tT] (\S+)$", shown, re.MULTILINE)
    return {name: int(size, 16) for size, name in found}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("size").write(tmp_path_factory.mktemp("size") / "out")


@pytest.mark.parametrize("cc", ["gcc", "clang"])
@pytest.mark.parametrize("level", ["-Os", "-O2", "-O3"])
def test_a_shared_kernel_has_one_copy_with_every_compiler_and_level(out: Path, cc: str, level: str) -> None:
    found = [name for name in symbols(out, cc, level) if name.startswith("e8_")]
    for kernel in ("e8_conv_s8__ref", "e8_maxpool_s8__ref"):
        assert [name for name in found if re.fullmatch(rf"{kernel}(\.(isra|constprop|part)\.\d+)*", name)], found
        assert len([name for name in found if name.split(".")[0] == kernel]) == 1, found


@pytest.mark.parametrize(("cc", "level"), [("gcc", "-Os"), ("clang", "-Oz")])
def test_with_the_flag_for_size_the_code_is_no_larger_than_that_for_speed(
    out: Path, cc: str, level: str, tmp_path: Path
) -> None:
    fast = build("speed").write(tmp_path / "fast")
    assert sum(symbols(out, cc, level).values()) <= sum(symbols(fast, cc, level).values())


@pytest.mark.parametrize(("cc", "level"), [("gcc", "-Os"), ("clang", "-Oz"), ("gcc", "-O3")])
def test_the_bits_are_the_same(cc: str, level: str) -> None:
    made = build("size")
    assert made.verify(None, cc, (level,)).ok
    for name in ("program.txt", "program.npz", "net_selftest.c"):
        assert made.files()[name] == build("speed").files()[name], name


@pytest.mark.skipif(real.folder() is None, reason=f"{real.VARIABLE} is not set: the code of kws was not measured")
def test_kws_takes_less_than_3_kib_of_code_on_a_cortex_m4(tmp_path: Path) -> None:
    needs_tools("cortex-m4")
    made = eightbit.compile(
        real.path(real.TINY["kws"]), real.calibration(real.TINY["kws"]), name="net", optimize="size"
    )
    out, chip = made.write(tmp_path / "out"), target.load("cortex-m4")
    model = firmware.compiled((*firmware.compiler(chip, ("-Os",)), "-I", out), out / "net.c", tmp_path / "net.o")
    sections = subprocess.run(["arm-none-eabi-size", "-A", model], capture_output=True, text=True, check=True).stdout
    code = sum(int(size) for size in re.findall(r"^\.text\S*\s+(\d+)", sections, re.MULTILINE))
    undefined = subprocess.run(["arm-none-eabi-nm", "-u", model], capture_output=True, text=True, check=True).stdout
    assert 1024 < code < 3072
    assert undefined == ""  # no library function adds to it


def test_a_compiler_without_attributes_gets_plain_kernels(out: Path) -> None:
    shown = subprocess.run(
        ["gcc", "-U__GNUC__", "-E", "-P", out / "net.c"], capture_output=True, text=True, check=True
    ).stdout
    assert "noinline" not in shown
    assert "static void e8_conv_s8__ref(" in shown


def test_for_speed_the_first_folder_is_asked_first_and_for_size_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    those = kernels.of_isa

    def of_isa(isa: str) -> dict[str, tuple[Kernel, ...]]:
        return {"conv": (Kernel(op="conv", isa="quick", planar=True),)} if isa == "quick" else those(isa)

    monkeypatch.setattr(select.kernels, "of_isa", of_isa)
    both = dataclasses.replace(target.load("generic"), isa=("quick", "ref"))
    program = build("speed").program
    for optimize, isa in (("speed", "quick"), ("size", "ref")):
        chosen = select.select(program, both, optimize).kernels
        assert {kernel.isa for kernel in chosen.values() if kernel.op == "conv"} == {isa}
        assert {kernel.isa for kernel in chosen.values() if kernel.op == "maxpool"} == {"ref"}


@pytest.mark.parametrize(("chosen", "flag"), [([], "-Os"), (["-DCMAKE_BUILD_TYPE=Release"], "-O3")])
def test_cmake_takes_os_where_no_build_type_is_chosen(out: Path, tmp_path: Path, chosen: list[str], flag: str) -> None:
    command = [sys.executable, "-m", "cmake", "-S", out, "-B", tmp_path, "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", *chosen]
    subprocess.run([*command, "-DCMAKE_C_COMPILER=gcc"], capture_output=True, check=True)
    assert f" {flag} " in (tmp_path / "compile_commands.json").read_text()


def test_the_readme_of_the_build_suggests_os(out: Path) -> None:
    assert "`-Os`" in (out / "README.md").read_text()
    assert "-Os" not in str(build("speed").files()["README.md"])


def test_an_unknown_option_is_refused_with_those_there_are() -> None:
    for options in ({"optimize": "fast"}, {"io": "dma"}):
        with pytest.raises(eightbit.InputError, match="it is one of"):
            eightbit.compile(deep(), samples(1, 14, 14), **options)
