# SPDX-License-Identifier: Apache-2.0
"""What the files of runtime_c promise: generated headers, twins, warnings, names."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from eightbit import kernels, ops
from eightbit.emission.cstruct import header, header_name
from kernels.driver import RUNTIME, WARNINGS, all_kernels_text, facts, kernel_files

INCLUDE = RUNTIME / "include"
OPERATORS = [op for op in ops.all_ops().values() if op.has_code]
SOURCES = [pytest.param(path, id=f"{path.parent.name}-{path.stem}") for path in kernel_files()]
HOST = ("-std=c99", *WARNINGS)
AVR = ("-mmcu=atmega2560", "-std=gnu99", "-Wall", "-Wextra", "-Wconversion", "-Werror")
COMPILERS = {
    "gcc": ("gcc", *HOST, "-O2"),
    "gcc-unoptimised": ("gcc", *HOST, "-O0"),
    "clang": ("clang", *HOST, "-O2"),
    "avr-gcc": ("avr-gcc", *AVR, "-Os"),
}


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: str(op.name))
def test_a_params_header_is_what_its_operator_says(op: ops.OpDef, update: bool) -> None:
    path = INCLUDE / header_name(op)
    if update:
        path.write_text(header(op))
    assert path.read_text() == header(op), "run pytest with --update"


def test_every_operator_with_code_has_a_portable_kernel() -> None:
    assert set(kernels.of_isa("ref")) == {op.name for op in OPERATORS}


def test_every_kernel_has_a_twin_and_every_twin_a_kernel() -> None:
    package = Path(kernels.__file__).parent
    code = {f"{path.parent.name}/{path.stem}" for path in kernel_files()}
    twins = {f"{path.parent.name}/{path.stem}" for path in package.glob("*/*_*.py") if path.name[0] != "_"}
    assert code == twins


@pytest.mark.parametrize("source", SOURCES)
def test_a_twin_names_its_kernel(source: Path) -> None:
    kernel = facts(source)
    assert (kernel.isa, kernel.file) == (source.parent.name, source.stem)
    assert re.search(rf"^E8_KERNEL void {kernel.symbol}\(const e8_{kernel.op}_s8_params E8_ROM \*p, "
                     r"const void E8_ROM \*w, const e8_call \*at\)$",
                     re.sub(r"\n +", " ", source.read_text()), re.MULTILINE)  # fmt: skip


def test_kernels_for_some_calls_of_an_operator_are_asked_before_the_one_for_all() -> None:
    for isa in {path.parent.name for path in kernel_files()}:
        for found in kernels.of_isa(isa).values():
            names = [kernel.variant for kernel in found]
            assert names == sorted(names, key=lambda name: (not name, name))


@pytest.mark.parametrize("source", SOURCES)
def test_a_kernel_leaks_no_name_into_the_file_that_includes_it(source: Path) -> None:
    text = source.read_text()
    assert "#define" not in text
    own = facts(source).symbol
    defined = re.findall(r"^(?:E8_INLINE|E8_WITHIN|E8_APART|E8_KERNEL|static)[^;(]*?(\w+)\(", text, re.MULTILINE)
    assert defined, "no function found"
    assert [name for name in defined if name != own and not name.startswith(f"{own}_")] == []
    constants = re.findall(r"enum \{ (\w+)", text)
    assert [name for name in constants if not name.startswith(own.upper())] == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_kernel_compiles_alone_without_warnings(compiler: str, source: Path, tmp_path: Path) -> None:
    compile_c(compiler, source, tmp_path / "kernel.o")


@pytest.mark.parametrize("compiler", COMPILERS)
def test_all_kernels_compile_together_without_warnings(compiler: str, tmp_path: Path) -> None:
    compile_c(compiler, together(tmp_path), tmp_path / "all.o")


def test_kernels_need_nothing_but_memcpy_and_memset(tmp_path: Path) -> None:
    compiled = tmp_path / "all.o"
    compile_c("gcc-unoptimised", together(tmp_path), compiled)
    names = subprocess.run(["nm", "-u", compiled], check=True, capture_output=True, text=True).stdout.split()
    assert set(names[1::2]) <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}


def test_the_types_are_plain_cxx_too(tmp_path: Path) -> None:
    source = tmp_path / "types.cpp"
    source.write_text('#include "e8_types.h"\nstruct context { E8_ALIGN(3) arena; };\n'
                      "E8_STATIC_ASSERT(sizeof(context) == 8, the_arena_is_aligned);\n")  # fmt: skip
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([*command, f"-I{INCLUDE}", source], check=True)


def test_the_runtime_has_the_version_of_the_project() -> None:
    project = tomllib.loads((RUNTIME.parent / "pyproject.toml").read_text())["project"]
    major, minor, patch = (int(part) for part in project["version"].split("."))
    found = re.search(r"#define E8_RUNTIME_VERSION (\d+)$", (INCLUDE / "e8_types.h").read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[1]) == major * 10000 + minor * 100 + patch


def test_the_driver_reaches_every_kernel() -> None:
    assert all(facts(path).symbol in all_kernels_text() for path in kernel_files())


def together(folder: Path) -> Path:
    """One file that includes every kernel."""
    source = folder / "all.c"
    source.write_text("".join(f'#include "{path}"\n' for path in kernel_files()))
    return source


def compile_c(compiler: str, source: Path, out: Path) -> None:
    command = [*COMPILERS[compiler], "-DE8_KERNEL=", f"-I{INCLUDE}", "-c", source, "-o", out]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
