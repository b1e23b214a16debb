# SPDX-License-Identifier: Apache-2.0
"""The bound of a stack: the deepest chain of frames that the compiler tells of."""

from __future__ import annotations

from pathlib import Path

import pytest

from eightbit.bench import stack_usage

NODE = 'node: {{ title: "{0}" label: "{0}\\nnet.c:1:1\\n{1} bytes ({2})" }}\n'
EDGE = 'edge: {{ sourcename: "{}" targetname: "{}" label: "net.c:1:1" }}\n'


def graph(folder: Path, frames: dict[str, int], calls: list[tuple[str, str]], kind: str = "static") -> Path:
    path = folder / "net.ci"
    path.write_text(
        "".join(NODE.format(n, s, kind) for n, s in frames.items()) + "".join(EDGE.format(*c) for c in calls)
    )
    return path


def test_the_bound_is_the_deepest_chain_of_calls(tmp_path: Path) -> None:
    calls = [("run", "a"), ("run", "b"), ("a", "c"), ("b", "memcpy")]
    path = graph(tmp_path, {"run": 100, "a": 10, "b": 40, "c": 20}, calls)
    assert stack_usage.bound(path, "run") == 140


def test_recursion_and_frames_without_a_bound_have_none(tmp_path: Path) -> None:
    assert stack_usage.bound(graph(tmp_path, {"run": 8, "a": 8}, [("run", "a"), ("a", "run")]), "run") is None
    assert stack_usage.bound(graph(tmp_path, {"run": 8}, [], "dynamic"), "run") is None
    assert stack_usage.bound(tmp_path / "no.ci", "run") is None


@pytest.mark.parametrize(("version", "can"), [("12.2.0", True), ("10", True), ("9.4.0", False), ("5.4.0", False)])
def test_old_compilers_are_not_asked_for_a_call_graph(version: str, can: bool, tmp_path: Path) -> None:
    compiler = tmp_path / "any-gcc"
    compiler.write_text(f"#!/bin/sh\necho {version}\n")
    compiler.chmod(0o755)
    assert bool(stack_usage.flags(str(compiler))) is can
    assert stack_usage.flags("clang-19") == ()
