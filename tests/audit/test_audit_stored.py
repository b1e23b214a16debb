# SPDX-License-Identifier: Apache-2.0
"""The auditor knows how kernels store constants in an order of their own, and what scratch they take."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

import eightbit
from eightbit.audit import audit

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from mutation_subjects import small_model, small_samples


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = eightbit.compile(small_model(), small_samples()[:100], name="small", target="cortex-m0plus")
    return build.write(tmp_path_factory.mktemp("stored") / "out")


def findings(out: Path) -> str:
    return "\n".join(map(str, audit(out).findings))


def add_one(out: Path, file: str, pattern: str) -> None:
    """Add one to the number that is the pattern's last group."""
    path = out / file
    text, count = re.subn(pattern, lambda m: f"{m[1]}{int(m[2]) + 1}", path.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1, f"{pattern} is not in {file}"
    path.write_text(text)


@pytest.mark.parametrize("name", ["cortex-m0plus", "cortex-m3"])
def test_a_build_of_tile_kernels_is_audited_clean(name: str, tmp_path: Path) -> None:
    build = eightbit.compile(small_model(), small_samples()[:100], name="small", target=name)
    assert findings(build.write(tmp_path / "out")) == ""
    assert build.layout.scratch_bytes > 0


@pytest.mark.parametrize(
    ("file", "pattern", "told"),
    [
        ("small_weights.inc", r"(conv_2_weights\[\d+\] = \{\s+)(\d+)", "small_conv_2_weights[0] is"),
        ("small_weights.inc", r"(conv_2_bias\[\d+\] = \{\s+)(-?\d+)", "small_conv_2_bias[0] is"),
        ("small_weights.inc", r"(depthwise_3_weights\[\d+\] = \{\s+)(-?\d+)", "small_depthwise_3_weights[0] is"),
        ("plan.txt", r"^(step \d+ conv_2 .* scratch )(\d+)", "its scratch and state"),
    ],
)
def test_a_number_that_is_not_stored_as_its_kernel_reads_it_is_named(
    good: Path, tmp_path: Path, file: str, pattern: str, told: str
) -> None:
    out = Path(shutil.copytree(good, tmp_path / "out"))
    add_one(out, file, pattern)
    assert told in findings(out)
