# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and SIGTERM: status 130 and 143, no traceback, and nothing left behind, wherever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from command_line import answer, run
from eightbit import __main__ as program
from models import dense, samples


def state(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below one."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    onnx.save(dense(), tmp_path / "dense.onnx")
    np.savez(tmp_path / "s.npz", x=samples(4))
    return tmp_path


def started(home: Path, *arguments: str, path: str = "") -> subprocess.Popen[bytes]:
    """The program, in a process of its own; modules in `path` come before all others."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([path, *sys.path] if path else sys.path)}
    command = [sys.executable, "-m", "eightbit", *arguments]
    return subprocess.Popen(command, cwd=home, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so do the processes that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SIGNALS = ((signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"terminated"))


@pytest.mark.parametrize(("sent", "status", "how"), SIGNALS, ids=["Ctrl-C", "SIGTERM"])
def test_a_command_that_waits_for_its_model_can_be_ended(
    home: Path, sent: signal.Signals, status: int, how: bytes
) -> None:
    os.mkfifo(home / "pipe.onnx")
    process = started(home, "compile", "pipe.onnx", "--calibration", "s.npz", "-o", "out")
    writer = os.open(home / "pipe.onnx", os.O_WRONLY)  # comes back when the command has opened it, too, and reads
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=60)
    os.close(writer)
    assert (process.returncode, stdout, stderr) == (status, b"", how + b": nothing is left behind\n")
    assert {path.name for path in home.iterdir()} == {"dense.onnx", "s.npz", "pipe.onnx"}


@pytest.mark.parametrize(("sent", "status", "how"), SIGNALS, ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("module", ["click", "numpy", "onnx", "onnxruntime"])
def test_it_can_be_ended_while_it_loads_its_libraries(
    tmp_path: Path, module: str, sent: signal.Signals, status: int, how: bytes
) -> None:
    (tmp_path / f"{module}.py").write_text("import time\nopen('loading', 'w').close()\ntime.sleep(60)\n")
    process = started(tmp_path, "targets", path=str(tmp_path))
    end = time.monotonic() + 60
    while not (tmp_path / "loading").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(sent)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, stderr) == (status, b"", how + b": nothing is left behind\n")


def test_the_package_itself_loads_no_library_before_it_is_asked_to() -> None:
    code = "import sys, eightbit; print({'numpy', 'onnx', 'click'} & set(sys.modules), eightbit.Build.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set() Build\n"


@pytest.fixture
def own_handler() -> Iterator[None]:
    """Whatever a test does with SIGTERM ends with it."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("own_handler")
@pytest.mark.parametrize(
    ("method", "step", "earlier"), [("write_bytes", 5, False), ("rename", 1, False), ("rename", 2, True)]
)
def test_sigterm_while_files_are_written_leaves_what_was_there(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    method: str,
    step: int,
    earlier: bool,
) -> None:
    compile_it = ["compile", str(home / "dense.onnx"), "--calibration", str(home / "s.npz"), "-o", str(home / "out")]
    if earlier:
        answer(*compile_it, "--io", "caller")
    before, real, calls = state(home), getattr(Path, method), 0

    def terminated(path: Path, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == step:
            for _ in range(2):  # as `timeout` does
                os.kill(os.getpid(), signal.SIGTERM)
        return real(path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, method, terminated)
        patch.setattr(sys, "argv", ["eightbit", *compile_it])
        with pytest.raises(SystemExit) as caught:
            program.main()
    assert (caught.value.code, capsys.readouterr().err) == (143, "terminated: nothing is left behind\n")
    assert state(home) == before


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
