# SPDX-License-Identifier: Apache-2.0
"""The README's words hold: examples run, commands, options and links exist, short tables say what long ones do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import eightbit
from command_line import run
from eightbit import lower

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = [line.split() for line in re.findall(r"^    eightbit (.*)$", README, re.MULTILINE)]
C_BLOCKS = re.findall(r"```c\n(.*?)```", README, re.DOTALL)
NET, INIT = "static digits_context net;", "digits_init(&net);"
BUFFERS = "static e8_s8 camera[2][DIGITS_INPUT_SIZE], scores[DIGITS_OUTPUT_SIZE]; enum { ready = 1 };"
PROGRAM = """
#include <stdio.h>
#include "digits.h"
static void fill(e8_s8 *x) { x[0] = 1; }
static void use(const e8_s8 *y, e8_s32 best) { putchar(y[best]); }
static void uart_put(char c) { putchar(c); }
%s
int main(void) { (void)fill; (void)use; (void)uart_put; %s return 0; }
"""


def test_the_python_example_prints_what_its_comments_say(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    said = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == said


def test_the_table_of_operators_is_that_of_the_registry(update: bool) -> None:
    rows = "".join(f"| {', '.join(rules)} | {note} |\n" for rules, note in lower.families())
    table = f"| ONNX operators | |\n|---|---|\n{rows}"
    parts = README.split("<!-- operators: pytest --update -->\n")
    if update:
        (ROOT / "README.md").write_text("<!-- operators: pytest --update -->\n".join([parts[0], table, parts[2]]))
    assert len(parts) == 3
    assert parts[1] == table or update


def typed(page: Path) -> list[list[str]]:
    """The command lines of a page that can be typed in a checkout as they stand."""
    lines = re.findall(r"^    eightbit (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split() for line in lines if "examples/" in line or "build/" in line]


def test_every_command_it_shows_is_one_of_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "eightbit", "--help"], capture_output=True, text=True, check=True)
    for name in set(re.findall(r"^    eightbit (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^  {name}\b", done.stdout, re.MULTILINE), name
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in set(re.findall(r"^    make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name


@pytest.mark.parametrize(
    ("page", "commands"),
    [
        ("README.md", "check compile verify evaluate bench"),
        ("docs/one-tensor.md", "compile"),
        ("examples/digits/README.md", "compile verify evaluate"),
        ("examples/two_models/README.md", "compile compile"),
    ],
)
def test_the_commands_on_the_examples_run_as_they_stand(
    page: str, commands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    lines = typed(ROOT / page)
    assert [line[0] for line in lines] == commands.split()
    for line in lines:
        result = run(*line)
        assert result.exit_code == 0, result.output


@pytest.mark.parametrize("line", SHOWN, ids=" ".join)
def test_every_option_it_shows_is_one_of_the_command(line: list[str]) -> None:
    text = run(line[0], "--help").stdout
    for option in [word for word in line if word.startswith("-")]:
        assert re.search(rf"^  (-\w, )?{option}\b|^  {option},", text, re.MULTILINE), option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    heads = {
        re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in heads, target
        elif not target.startswith("http"):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize(
    ("number", "io", "head", "start"),
    [(0, "arena", "", ""), (1, "caller", f"{NET} {BUFFERS}", INIT), (2, "arena", NET, INIT)],
)
def test_the_lines_of_c_compile_without_a_warning_and_run(
    number: int, io: str, head: str, start: str, tmp_path: Path
) -> None:
    files, lines = ROOT / "examples" / "digits", C_BLOCKS[number].splitlines()
    folder = eightbit.compile(files / "digits.onnx", files / "calibration.npz", io=io).write(tmp_path / "out")
    outside = [line for line in lines if line.startswith(("#include", "static"))]
    inside = [line for line in lines if line not in outside]
    source = tmp_path / "main.c"
    source.write_text(PROGRAM % ("\n".join([head, *outside]), "\n".join([start, *inside])))
    command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-DDIGITS_SELFTEST", f"-I{folder}", source]
    command += [folder / "digits.c", folder / "digits_selftest.c", "-o", tmp_path / "program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([tmp_path / "program"], capture_output=True, check=False).returncode == 0


def test_every_table_that_a_benchmark_writes_has_its_place() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    marks = [
        mark
        for script in sorted((ROOT / "benchmarks").glob("*.py"))
        for mark in re.findall(r'^(?:MARK|SHORT) = "(.*)"$', script.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(marks) == 6
    for mark in marks:
        assert pages.count(f"<!-- {mark} -->\n") == pages.count(f"<!-- end of {mark} -->\n") == 1, mark


def test_the_short_tables_say_what_the_long_ones_do() -> None:
    long = (ROOT / "docs" / "targets.md").read_text(encoding="utf-8")
    short = README.split("<!-- costs in short")[1].split("<!-- end")[0]
    rows = [line.strip("| ").split(" | ") for line in short.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 7
    for name, work, *sizes in rows:
        counts, bytes_ = re.findall(rf"^\| {name} \| (\d.*) \|$", long, re.MULTILINE)
        assert counts.split(" | ")[2] == work
        assert bytes_.split(" | ") == sizes
    compared = re.findall(r"\| (\d+) of ([\d,]+) \|", long)
    differing, every = (sum(int(row[i].replace(",", "")) for row in compared) for i in (0, 1))
    assert f"on {len(compared)} targets: {differing:,} of {every:,} bytes differ" in README
