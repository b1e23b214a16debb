# SPDX-License-Identifier: Apache-2.0
"""Where nothing is smaller than 16 bits: the same C, the same bits. See wide.py for the machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import eightbit
import wide
from models import samples
from target_networks import NETWORKS

MAIN = """
#include <stdio.h>
short net_selftest(void *context, void (*put)(char));
static long long context[4096];
static void put(char c) { putchar(c); }
int main(void) { return net_selftest(context, put); }
"""
# What a C file must not hold: functions that count bytes, types that need not exist, bits of a char.
BYTEWISE = r"\b(mem(set|cpy|move|cmp)|u?int(8|16|32|64)_t|CHAR_BIT|UCHAR_MAX|SCHAR_M\w+|stdlib\.h|string\.h)\b"


@pytest.fixture(scope="module", params=NETWORKS)
def out(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    proto, shape = NETWORKS[request.param]
    build = eightbit.compile(proto, samples(*shape, count=16), name="net")
    return build.write(tmp_path_factory.mktemp("wide") / "out")


@pytest.fixture
def headers(tmp_path: Path) -> Path:
    return wide.headers(tmp_path / "headers")


def code(text: str) -> str:
    """C without its comments."""
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def test_no_file_counts_bytes_or_needs_a_type_of_exactly_8_bits(out: Path) -> None:
    files = sorted((*out.glob("*.[ch]"), *out.glob("*.inc")))
    assert len(files) > 10
    assert [(path.name, found[0]) for path in files if (found := re.search(BYTEWISE, code(path.read_text())))] == []


def test_sizes_in_bytes_are_compared_with_nothing_but_sizes_in_storage_units(out: Path) -> None:
    lines = [line for path in out.glob("*.[ch]") for line in code(path.read_text()).splitlines() if "sizeof" in line]
    assert lines
    assert all(line.count("sizeof") == 2 and "* sizeof(e8_s8)" in line for line in lines), lines


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_the_self_test_prints_its_golden_hash_where_the_smallest_type_has_16_bits(
    compiler: str, out: Path, headers: Path, tmp_path: Path
) -> None:
    objects = [
        wide.compiled(compiler, headers, out / f"{name}.c", tmp_path / f"{name}.o", "-DNET_SELFTEST")
        for name in ("net", "net_selftest")
    ]
    (tmp_path / "main.c").write_text(MAIN)
    subprocess.run([compiler, tmp_path / "main.c", *objects, "-o", tmp_path / "run"], check=True)
    printed = subprocess.run([tmp_path / "run"], check=False, capture_output=True, text=True).stdout
    golden = re.search(r"GOLDEN 0x([0-9a-f]{8})u", (out / "net_selftest.c").read_text())
    assert golden is not None
    assert printed.splitlines()[-1] == f"net hash {golden[1]} PASS"


def test_the_float_helpers_compile_where_the_smallest_type_has_16_bits(
    out: Path, headers: Path, tmp_path: Path
) -> None:
    source = tmp_path / "helpers.c"
    source.write_text('#include "net_io.h"\ne8_s8 one(double value);\n'
                      "e8_s8 one(double value) { return net_input_from_real(value); }\n")  # fmt: skip
    wide.compiled("clang", headers, source, tmp_path / "helpers.o", f"-I{out}", "-Wno-unused-function")


def test_the_headers_of_these_tests_have_no_int8_t(headers: Path, tmp_path: Path) -> None:
    source = tmp_path / "exact.c"
    source.write_text("#include <stdint.h>\nint8_t exact;\n")
    with pytest.raises(AssertionError, match="int8_t"):
        wide.compiled("gcc", headers, source, tmp_path / "exact.o")
