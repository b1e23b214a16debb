# SPDX-License-Identifier: Apache-2.0
"""Names: whatever a model calls its parts, C gets identifiers, comments and files that compile."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path, PurePath

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import eightbit
from eightbit import names
from models import model, node, one, samples, weights

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


HOSTILE = [
    'say "hi"', "two\nlines", "*/ int x; /*", "what??/", "../../etc/passwd", "{{ 7 * 7 }}", "{% raw %}", "for", "int",
    "main", "NULL", "名前", "\u202eevil", "y" * 10_000, "%s%n", "a\\", "#error", "", "a b", "a.b", "a-b",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:20])
def test_a_hostile_name_for_everything_gives_files_in_their_folder_that_compile(name: str, tmp_path: Path) -> None:
    first, second = name or "in", f"{name} "  # the same once cleaned
    nodes = [node("Conv", "x w b", "y"), node("Relu", "y", "z")]
    consts = {"w": weights(2, 1, 3, 3), "b": weights(2)}
    proto = model(nodes, {"x": [1, 1, 4, 4]}, {"y": None, "z": None}, consts)
    for old, new in (("x", f"{name}x"), ("w", f"{name}w"), ("b", f"{name}b"), ("y", first), ("z", second)):
        rename(proto, old, new)
    proto.graph.name = name or "graph"
    proto.graph.node[0].name = proto.graph.node[1].name = name
    out = eightbit.compile(proto, samples(1, 4, 4), name=name).write(tmp_path / "out")
    assert {path.parent for path in tmp_path.rglob("*.[ch]")} == {out}
    sources = sorted(out.glob("*.c"))
    subprocess.run(
        ["gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", *sources], check=True
    )


def rename(proto: onnx.ModelProto, old: str, new: str) -> None:
    """A value's name, wherever it stands."""
    for item in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        item.name = new if item.name == old else item.name
    for item in proto.graph.node:
        item.input[:] = [new if value == old else value for value in item.input]
        item.output[:] = [new if value == old else value for value in item.output]


@pytest.mark.parametrize("stem", ["math", "stdint", "string", "e8_types", "for", "9", "..."])
def test_a_model_file_with_the_name_of_a_header_hides_none(stem: str, tmp_path: Path) -> None:
    onnx.save(one("Softmax", [1, 4]), tmp_path / f"{stem}.onnx")
    build = eightbit.compile(tmp_path / f"{stem}.onnx", samples(4))
    assert build.verify().ok
    out = build.write(tmp_path / "out")
    main = f'#include <math.h>\n#include <stdint.h>\n#include <string.h>\n#include "{build.emission.name}.h"\n'
    main += 'int main(void) { return (int)strlen("") + (int)fabs(-0.0); }\n'
    command = ["gcc", "-std=c99", "-Wall", "-Werror", "-fsyntax-only", f"-I{out}", "-x", "c", "-"]
    subprocess.run(command, input=main, text=True, check=True)
