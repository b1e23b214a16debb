# SPDX-License-Identifier: Apache-2.0
"""A bound of a function's stack from what GCC says of frames and calls (-fstack-usage, -fcallgraph-info=su)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

FLAGS = ("-fstack-usage", "-fcallgraph-info=su")
NODE = re.compile(r'^node: \{ title: "([^"]*)" label: "[^"]*?\\n(\d+) bytes \((static|dynamic,bounded)\)')
OLDEST_GCC = 10
EDGE = re.compile(r'^edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"')


def flags(compiler: str) -> tuple[str, ...]:
    """What makes a compiler write a call graph with frames: GCC 10 and later can."""
    if not compiler.endswith("gcc"):
        return ()
    done = subprocess.run([compiler, "-dumpversion"], capture_output=True, text=True, check=False)
    major = done.stdout.split(".")[0].strip()
    return FLAGS if major.isdigit() and int(major) >= OLDEST_GCC else ()


def bound(graph: Path, function: str) -> int | None:
    """Bytes of the deepest chain of calls in a file's call graph (.ci), functions of other files not counted.

    None where the compiler wrote no graph, and where a frame has no bound or a function calls itself.
    """
    if not graph.exists():
        return None
    frames: dict[str, int] = {}
    calls: dict[str, set[str]] = {}
    for line in graph.read_text(encoding="utf-8").splitlines():
        if (node := NODE.match(line)) is not None:
            frames[node[1]] = int(node[2])
        elif (edge := EDGE.match(line)) is not None:
            calls.setdefault(edge[1], set()).add(edge[2])
        elif "bytes (dynamic)" in line:
            return None
    return _deepest(function, frames, calls, ()) if function in frames else None


def _deepest(name: str, frames: dict[str, int], calls: dict[str, set[str]], above: tuple[str, ...]) -> int | None:
    if name in above:
        return None
    depths = [_deepest(callee, frames, calls, (*above, name)) for callee in sorted(calls.get(name, ()))]
    known = [depth for depth in depths if depth is not None]
    return frames.get(name, 0) + max(known, default=0) if len(known) == len(depths) else None
