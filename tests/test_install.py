# SPDX-License-Identifier: Apache-2.0
"""The wheel and the sdist: they hold templates, runtime and targets, and compile to the same bytes as the checkout.

`tools/try_install.sh` installs both into empty environments, dependencies and all.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
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


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    done = build("sdist", ROOT, folder)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("eightbit-*.tar.gz"))


def build(kind: str, source: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder]
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_built_from_the_sdist_holds_the_same_bytes(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))  # 3.11.4 has it
    (source,) = tmp_path.iterdir()
    done = build("wheel", source, tmp_path)
    assert done.returncode == 0, done.stderr
    assert contents(next(tmp_path.glob("*.whl"))) == contents(wheel)


def test_the_sdist_holds_what_git_does_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    listed = subprocess.run(["git", "-C", ROOT, "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    known = {name for name in listed.stdout.splitlines() if (ROOT / name).exists() and not name.startswith(".ci/")}
    assert known <= held
    assert not [name for name in held - known if name.endswith((".pyc", ".so", ".onnx", ".npz"))]


@pytest.mark.parametrize("name", ["dependencies", "dev", "bench"])
def test_every_requirement_has_a_range(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["dependencies"] if name == "dependencies" else project["optional-dependencies"][name]
    upper = ("<", "==") if name == "dependencies" else ("<", "==", ">=")  # of tools the newest is as good as any
    assert not [item for item in requirements if not any(sign in item for sign in upper)]


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
    for name, data in build.files().items():
        assert (tmp_path / "out" / name).read_bytes() == (data.encode() if isinstance(data, str) else data), name
