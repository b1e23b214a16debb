# SPDX-License-Identifier: Apache-2.0
"""A build that the tests of commands share."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from command_line import answer
from models import dense, samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dense.onnx, samples.npz with labels, and a build in out/."""
    path = tmp_path_factory.mktemp("cli")
    onnx.save(dense(), path / "dense.onnx")
    np.savez(path / "samples.npz", x=samples(4, count=8), labels=np.arange(8) % 3)
    answer("compile", path / "dense.onnx", "--calibration", path / "samples.npz", "-o", path / "out")
    return path


@pytest.fixture
def out(folder: Path, tmp_path: Path) -> Path:
    """A copy of the build, to damage."""
    return Path(shutil.copytree(folder / "out", tmp_path / "out"))
