# SPDX-License-Identifier: Apache-2.0
"""A board's log: the self-test runs with a fault in it, and its log names the call that the fault is in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import eightbit
from eightbit.execution import board_log
from eightbit.execution.board_log import LogResult
from models import model, node, samples, weights


@pytest.fixture(scope="module")
def build() -> eightbit.Build:
    """Three calls: convolution, maximum, dense."""
    nodes = [
        node("Conv", "x w", "a", pads=[1, 1, 1, 1]),
        node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "b", "f"),
        node("Gemm", "f v", "y"),
    ]
    proto = model(nodes, {"x": [1, 2, 6, 6]}, {"y": [1, 5]}, {"w": weights(4, 2, 3, 3), "v": weights(36, 5)})
    return eightbit.compile(proto, samples(2, 6, 6), name="net")


@pytest.fixture
def out(build: eightbit.Build, tmp_path: Path) -> Path:
    return build.write(tmp_path / "out")


@pytest.fixture(scope="module")
def good(build: eightbit.Build, tmp_path_factory: pytest.TempPathFactory) -> str:
    return printed(build.write(tmp_path_factory.mktemp("good") / "out"))


def printed(out: Path) -> str:
    """What the self-test of a build prints."""
    binary = out.parent / "selftest"
    defines = ["-DNET_SELFTEST", "-DNET_SELFTEST_MAIN"]
    subprocess.run(["gcc", "-O1", *defines, out / "net.c", out / "net_selftest.c", "-o", binary], check=True)
    return subprocess.run([binary], capture_output=True, text=True, check=False).stdout


def read(build: eightbit.Build, folder: Path, text: str | bytes) -> LogResult:
    path = folder / "board.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return board_log.verify_log(path, build.program)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def number_of(build: eightbit.Build, op: str) -> int:
    """The number of the first call of an operator."""
    return next(i for i, call in enumerate(build.selection.kernels, start=1) if call.startswith(op))


def test_a_good_board_has_the_simulators_bits(build: eightbit.Build, good: str, tmp_path: Path) -> None:
    result = read(build, tmp_path, good)
    assert result == LogResult(12, 12, 0, None, "", False, good.split()[3])
    assert (result.ok, result.verdict) == (True, "the same bits")


def test_one_changed_weight_names_its_call(build: eightbit.Build, out: Path, tmp_path: Path) -> None:
    weights_file = out / "net_weights.inc"
    head, mark, tail = weights_file.read_text().partition("net_fc_4_weights[180] = {\n   ")
    assert mark
    first, comma, rest = tail.partition(",")
    weights_file.write_text(f"{head}{mark} {(int(first) + 40) % 100}{comma}{rest}")
    result = read(build, tmp_path, printed(out))
    assert result.first_difference is not None
    found = result.first_difference
    assert (found.vector, found.number, found.call) == (0, 3, "fc_4")
    assert found.expected != found.got
    assert 1 <= result.differing_calls <= 4
    assert result.verdict == "the bits differ first in vector 0, call 3 (fc_4)"


def test_one_broken_layer_is_named_and_not_those_behind_it(build: eightbit.Build, out: Path, tmp_path: Path) -> None:
    number = number_of(build, "maxpool")
    edit(out / "e8_maxpool_s8__ref.inc", "e8_clamp_s8(", "1 + e8_clamp_s8(")
    result = read(build, tmp_path, printed(out))
    assert result.first_difference is not None
    assert (result.first_difference.number, result.first_difference.vector) == (number, 0)
    assert result.first_difference.call.startswith("maxpool")
    assert not result.other_build


def test_the_first_vector_that_differs_is_named(build: eightbit.Build, good: str, tmp_path: Path) -> None:
    lines = good.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("net vector 2 call 3 "))
    lines[place] = "net vector 2 call 3 01234567 WRONG"
    result = read(build, tmp_path, "\n".join(lines))
    assert result.first_difference is not None
    assert (result.first_difference.vector, result.first_difference.number) == (2, 3)
    assert result.first_difference.got == "01234567"


SHOWN = {
    "line ends of a terminal": lambda text: text.replace("\n", "\r\n"),
    "line ends the other way": lambda text: text.replace("\n", "\n\r"),
    "time stamps": lambda text: "".join(f"[12:00:{i:02}.5] {line}\n" for i, line in enumerate(text.splitlines())),
    "a tab and a log level": lambda text: text.replace("net ", "I (312)\tnet "),
    "colours": lambda text: text.replace("\n", "\x1b[0m\n").replace("net ", "\x1b[32mnet "),
    "messages between": lambda text: text.replace("net vector 1", "boot ok\nnet vector 1", 1),
    "a start that was given up": lambda text: text[: len(text) // 2] + "\n\x00\x00reset\n" + text,
    "a wrong run before": lambda text: text.replace("call 1 ", "call 1 0000000") + text,
    "a byte that is no text": lambda text: b"\x80" + text.encode(),
    "two bytes for each character": lambda text: text.encode("utf-16"),
}


@pytest.mark.parametrize("change", SHOWN.values(), ids=SHOWN)
def test_what_a_terminal_adds_does_not_matter(build: eightbit.Build, good: str, tmp_path: Path, change) -> None:
    assert read(build, tmp_path, change(good)).ok


CUT = {
    "half of it": (lambda text: text[: len(text) // 2], "calls are missing, the first is vector"),
    "its end": (lambda text: text[: text.index("net hash") + 12], "its last line is missing"),
    "its beginning": (lambda text: text[text.index("\n") :], "its first line is missing"),
    "a line": (lambda text: text.replace("net vector 1 call 2 ", "net vec"), "1 of 12 calls are missing, the first is"),
    "a digit": (lambda text: text.replace("call 3 ", "call 3 x", 1), "vector 0, call 3"),
    "a digit of the hash": (lambda text: text[:-7] + "0" + text[-6:], "last line"),
}


@pytest.mark.parametrize(("change", "told"), CUT.values(), ids=CUT)
def test_a_cut_log_is_no_yes(build: eightbit.Build, good: str, tmp_path: Path, change, told: str) -> None:
    result = read(build, tmp_path, change(good))
    assert not result.ok
    assert result.verdict.startswith("the log is cut")
    assert told in result.cut


def test_a_difference_is_named_in_a_cut_log_too(build: eightbit.Build, good: str, tmp_path: Path) -> None:
    text = good[: good.index("net vector 1")].replace("call 2 ", "call 2 00000000 WRONG ")
    result = read(build, tmp_path, text)
    assert result.first_difference is not None
    assert result.first_difference.number == 2
    assert "9 of 12 calls are missing" in result.cut


def test_a_log_of_another_build_is_told_apart(build: eightbit.Build, tmp_path: Path) -> None:
    proto = model([node("Gemm", "x w", "y")], {"x": [1, 8]}, {"y": [1, 5]}, {"w": weights(8, 5)})
    other = eightbit.compile(proto, samples(8), name="net").write(tmp_path / "out")
    result = read(build, tmp_path, printed(other))
    assert result.other_build
    assert not result.ok
    assert "another build" in result.verdict


@pytest.mark.parametrize("text", ["", "hello\n", "other vector 0 call 1 01234567 ok\n", "subnet hash 01234567 PASS\n"])
def test_a_log_without_the_models_lines_is_refused_and_tells_how_to_make_one(
    build: eightbit.Build, tmp_path: Path, text: str
) -> None:
    with pytest.raises(eightbit.InputError, match="no line of the self-test of net") as refused:
        read(build, tmp_path, text)
    assert "-DNET_SELFTEST" in refused.value.hint


def test_a_log_that_is_not_there_is_refused(build: eightbit.Build, tmp_path: Path) -> None:
    with pytest.raises(eightbit.InputError, match="cannot read the log"):
        board_log.verify_log(tmp_path / "none.txt", build.program)
