# SPDX-License-Identifier: Apache-2.0
"""Names: whatever a model calls its parts, C gets identifiers, comments and files that compile."""

from __future__ import annotations

import re
import subprocess
from pathlib import PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eightbit
from eightbit import names
from models import model, node, samples

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,40}")
C_STANDARD = (
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef"
    " stdint stdio stdlib string tgmath time wchar wctype".split()
)


@given(st.text())
@settings(deadline=None)
def test_any_text_becomes_an_identifier(text: str) -> None:
    assert IDENTIFIER.fullmatch(names.identifier(text))


@given(st.from_regex(r"[a-z][a-z0-9]{0,9}(_[a-z0-9]{1,9}){0,2}", fullmatch=True))
@settings(deadline=None)
def test_a_plain_name_stays_what_it_is(text: str) -> None:
    assert names.identifier(text) == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("9lives", "x9lives"), ("Ünï", "uni"), ("/a/b:0", "a_b_0"), ("", "x"), ("名前", "x"), ("_X_", "x"),
        ("a" * 99, "a" * 40),
    ],
)  # fmt: skip
def test_an_odd_name_resembles_what_it_was(text: str, name: str) -> None:
    assert names.identifier(text) == name


@given(st.lists(st.text("aA_2./", max_size=4) | st.text(max_size=60), max_size=12))
@settings(deadline=None)
def test_names_that_become_equal_stay_apart(texts: list[str]) -> None:
    found = names.unique_identifiers(texts)
    assert len(set(found)) == len(texts)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in found)


@given(st.text() | st.text('*/?\\"a\n'))
@settings(deadline=None)
def test_any_text_can_stand_in_a_comment_or_a_string(text: str) -> None:
    safe = names.comment(text)
    assert len(safe) <= 200
    assert all(" " <= c <= "~" for c in safe)
    assert not any(part in safe for part in ("*/", "/*", "??", "\\", '"'))


@given(st.text() | st.sampled_from(sorted(names.C_HEADERS)) | st.from_regex(r"e8_?[a-z]{0,5}", fullmatch=True))
@settings(deadline=None)
def test_a_model_s_header_hides_no_other(text: str) -> None:
    name = names.model_identifier(text)
    assert IDENTIFIER.fullmatch(name.removesuffix("_net"))
    assert name not in names.C_HEADERS
    assert not name.startswith("e8") or name.endswith("_net")


@pytest.mark.parametrize(("compiler", "language"), [("gcc", "c"), ("g++", "c++"), ("clang", "c")])
def test_the_headers_that_standard_headers_include_are_known(compiler: str, language: str) -> None:
    source = "".join(f"#include <{name}.h>\n" for name in C_STANDARD)
    command = [compiler, "-H", "-fsyntax-only", "-x", language, "-"]
    told = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stderr
    paths = [PurePath(line.split()[-1]) for line in told.splitlines() if line.startswith(".") and line.endswith(".h")]
    below = {"bits", "sys", "gnu", "asm", "asm-generic", "linux", "ext", "debug", "backward", "pstl", "c++"}
    plain = {path.stem for path in paths if not below & set(path.parts) and names.identifier(path.stem) == path.stem}
    assert plain >= set(C_STANDARD) - {"complex", "tgmath"}
    assert {name for name in plain if names.model_identifier(name) == name} == set()


def test_odd_names_everywhere_compile_and_give_the_same_bits() -> None:
    odd = ["*/ int x;", 'a"b\\n', "new\nline", "{{ 7 }}", "\x00\x1b", "int", "名", "y" * 10_000]
    nodes = [node("Relu", "x", "y"), node("Tanh", "x", "z"), node("Sigmoid", "w", "v")]
    proto = model(nodes, {"x": [1, 4], "w": [1, 2]}, {"y": [1, 4], "z": [1, 4], "v": [1, 2]})
    proto.graph.name = "%d /* ??/"
    renamed = dict(zip("xyzwv", odd, strict=False))
    for item in (*proto.graph.input, *proto.graph.output):
        item.name = renamed[item.name]
    for number, item in enumerate(proto.graph.node):
        item.name = odd[-1 - number]
        item.input[0], item.output[0] = renamed[item.input[0]], renamed[item.output[0]]
    build = eightbit.compile(proto, {renamed["x"]: samples(4), renamed["w"]: samples(2)})
    assert set(build.simulate({renamed["x"]: samples(4), renamed["w"]: samples(2)})) == {odd[1], odd[2], odd[4]}
    assert build.verify().ok
