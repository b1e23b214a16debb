# SPDX-License-Identifier: Apache-2.0
"""The wheel: it holds templates, runtime and targets, and compiles to the same bytes as the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest

import eightbit
from eightbit import resources
from models import conv_relu, samples

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import sys, pathlib, numpy, onnx
import eightbit
from eightbit import resources
assert pathlib.Path(eightbit.__file__).is_relative_to(sys.argv[1]), eightbit.__file__
assert resources.root().is_relative_to(sys.argv[1]), resources.root()
eightbit.compile(onnx.load("model.onnx"), numpy.load("x.npy")).write("out")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", ROOT, "--no-deps", "--no-build-isolation", "-q", "-w", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("eightbit-*.whl"))


def test_the_wheel_holds_every_template_kernel_and_target(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in (resources.templates(), resources.runtime(), resources.targets()):
        for path in (path for path in folder.rglob("*") if path.is_file()):
            assert f"eightbit/{path.relative_to(resources.root())}" in names
    assert "eightbit/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "benchmarks", "codegen"))]


def test_the_wheel_compiles_to_the_bytes_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    unpacked = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(unpacked)
    onnx.save(conv_relu(), tmp_path / "model.onnx")
    np.save(tmp_path / "x.npy", samples(2, 5, 5))
    command = [sys.executable, "-c", SCRIPT, unpacked]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(unpacked), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    build = eightbit.compile(conv_relu(), samples(2, 5, 5))
    for name, text in build.emission.files.items():
        assert (tmp_path / "out" / name).read_text() == text, name
