# SPDX-License-Identifier: Apache-2.0
"""The README's words hold: its example prints what it says, and its commands exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from eightbit import lower

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


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


def test_every_command_it_shows_is_one_of_the_command_line(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "eightbit", "--help"], capture_output=True, text=True, check=True)
    for name in set(re.findall(r"^    eightbit (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^  {name}\b", done.stdout, re.MULTILINE), name
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for name in set(re.findall(r"^    make (\w+)", README, re.MULTILINE)):
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name
