# SPDX-License-Identifier: Apache-2.0
"""The fuzzer: the same case each time, mostly valid protobufs, and no fault goes unnoticed."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import fuzz
from fuzz_mutations import PARTS, Part, mutated
from fuzz_structures import STRUCTURES

from models import conv_relu, dense

CORPUS = [dense().SerializeToString(), conv_relu().SerializeToString()]


def drawn(case: int) -> tuple[bytes, bool]:
    return mutated(np.random.default_rng((1, case)), CORPUS)


def test_a_case_is_the_same_each_time_and_differs_from_others() -> None:
    assert [drawn(case) for case in range(50)] == [drawn(case) for case in range(50)]
    assert len({drawn(case) for case in range(50)}) > 40


def test_more_than_half_of_the_cases_are_valid_protobufs_by_construction() -> None:
    cases = [drawn(case) for case in range(300)]
    structured = [content for content, valid in cases if valid]
    assert len(structured) > 150
    for content in structured:
        onnx.load_model_from_string(content)


@pytest.mark.parametrize("part", dict.fromkeys((*PARTS, *STRUCTURES)), ids=lambda part: part.__name__)
def test_every_mutation_changes_a_model_and_leaves_a_protobuf(part: Part) -> None:
    changed = 0
    for seed in range(40):
        proto = conv_relu()
        with contextlib.suppress(ValueError, TypeError):  # protobuf refuses some values
            part(np.random.default_rng(seed), proto)
        changed += proto != conv_relu()
        onnx.load_model_from_string(proto.SerializeToString())
    assert changed > 10


def watched(monkeypatch: pytest.MonkeyPatch, fault: Callable[[], object]) -> fuzz.Tally:
    """Two cases of which the compiler has that fault."""
    monkeypatch.setattr(fuzz, "corpus", lambda: CORPUS)
    monkeypatch.setattr(fuzz.load, "load", lambda *_, **__: fault())
    monkeypatch.setattr(fuzz, "HANG", 0.5)
    tally = fuzz.Tally()
    fuzz.watch(1, 0, 2, 40.0, tally)
    return tally


@pytest.mark.parametrize(
    ("fault", "step", "told"),
    [
        (lambda: {}["key"], "check", "KeyError"),
        (lambda: bytes(1 << 40), "check", "MemoryError"),
        (os.abort, "crash", "the process died"),
        (lambda: time.sleep(60), "hang", "on the clock"),
        (lambda: max(itertools.count()), "hang", "of work"),
    ],
    ids=["traceback", "memory", "crash", "sleep", "loop"],
)
def test_a_fault_is_a_finding_of_each_case_that_has_it(
    fault: Callable[[], object], step: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = watched(monkeypatch, fault)
    assert [(found["case"], found["step"]) for found in tally.findings] == [(0, step), (1, step)]
    assert all(told in found["text"] for found in tally.findings)


def test_cases_of_a_sound_compiler_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "corpus", lambda: CORPUS)
    tally = fuzz.Tally()
    fuzz.watch(1, 0, 40, 60.0, tally)
    assert (tally.cases, tally.tried["check"], tally.findings) == (40, 40, [])
    assert tally.done["check"] + sum(tally.refused.values()) >= 40
