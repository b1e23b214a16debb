# SPDX-License-Identifier: Apache-2.0
"""Figures as Markdown tables, and their places in README.md and docs/targets.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
TARGETS = ROOT / "docs" / "targets.md"


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell(row[head]) for head in heads) + " |" for row in rows]
    return "\n".join(lines)


def cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)


def update(text: str, mark: str, page: Path = README) -> None:
    """Replace what stands between the two marks of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    after = rest.partition(f"<!-- end of {mark} -->")[2]
    page.write_text(f"{before}<!-- {mark} -->\n{text}\n<!-- end of {mark} -->{after}", encoding="utf-8")
