# SPDX-License-Identifier: Apache-2.0
"""The order of the house: every part of the compiler imports only parts below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "codegen" / "eightbit"
# Folders, and files beside them, from the ground up. Those of one line do not import each other, but for CORE.
LAYERS = (
    "errors machine names resources version",
    "audit console frontend options target",
    "ir ops qdq",
    "export kernels lower simulate",
    "judge planning ptq",
    "emission",
    "compilation execution",
    "bench reporting",
    "build estimate",
    "diff pipeline",
    "api checkup on_target",
    "__init__ commands",
    "cli",
    "__main__",
)
CORE = "ir ops qdq"  # operators are made of the arithmetic, and what is proven of a Program they are asked
PARTS = sorted({path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()})


def imported(part: str) -> Iterator[str]:
    """The parts that a part imports."""
    folder = PACKAGE / part
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                from_root = [f"eightbit.{name.name}" for name in node.names]
                modules = from_root if node.module == "eightbit" else [node.module]
                yield from (module.split(".")[1] for module in modules if module.startswith("eightbit."))


def test_the_order_names_every_part() -> None:
    assert sorted(" ".join(LAYERS).split()) == PARTS


@pytest.mark.parametrize("part", PARTS)
def test_a_part_imports_only_what_lies_below_it(part: str) -> None:
    level = next(number for number, layer in enumerate(LAYERS) if part in layer.split())
    allowed = {part, *" ".join(LAYERS[:level]).split()} | (set(CORE.split()) if part in CORE.split() else set())
    assert set(imported(part)) <= allowed
