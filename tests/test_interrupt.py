# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C: status 130, no traceback, and nothing left behind, wherever it comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from command_line import answer, run
from models import dense, samples


def state(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below one."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    onnx.save(dense(), tmp_path / "dense.onnx")
    np.savez(tmp_path / "s.npz", x=samples(4))
    return tmp_path


def test_a_command_that_waits_for_its_samples_can_be_interrupted(home: Path) -> None:
    os.mkfifo(home / "pipe.npz")
    command = [sys.executable, "-m", "eightbit.cli", "compile", "dense.onnx", "--calibration", "pipe.npz", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer = os.open(home / "pipe.npz", os.O_WRONLY)  # comes back when the command has opened it, too
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, stdout) == (130, b"")
    assert stderr.startswith(b"interrupted")
    assert b"Traceback" not in stderr
    assert {path.name for path in home.iterdir()} == {"dense.onnx", "s.npz", "pipe.npz"}


@pytest.mark.parametrize(
    ("method", "step", "earlier"),
    [
        *(("write_bytes", 1, False), ("write_bytes", 5, False), ("mkdir", 2, False), ("rename", 1, False)),
        *(("write_bytes", 5, True), ("mkdir", 2, True), ("rename", 1, True), ("rename", 2, True), ("rename", 9, True)),
    ],
)
def test_an_interruption_while_files_are_written_leaves_what_was_there(
    home: Path, monkeypatch: pytest.MonkeyPatch, method: str, step: int, earlier: bool
) -> None:
    compile_it = ["compile", home / "dense.onnx", "--calibration", home / "s.npz", "-o", home / "out"]
    if earlier:
        answer(*compile_it, "--io", "caller")
    before, real, calls = state(home), getattr(Path, method), 0

    def interrupted(path: Path, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == step:
            raise KeyboardInterrupt
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, interrupted)
        result = run(*compile_it)
    assert (result.exit_code, result.stderr) == (130, "interrupted: nothing is left behind\n")
    assert state(home) == before
