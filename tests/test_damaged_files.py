# SPDX-License-Identifier: Apache-2.0
"""Damaged samples, builds, logs and target files: any command takes or refuses them, and never fails."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from command_line import refused, run
from eightbit import target
from eightbit.console import INTERNAL
from eightbit.errors import InputError
from models import conv_relu, samples

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
from fuzz_numbers import Rng, of_bytes, pick

ROOT = Path(__file__).resolve().parents[1]
DEEP = json.loads("[" * 100 + "]" * 100)
ODD = (None, True, -1, 0, 2**63, 1e308, float("nan"), "", "\x1b[31m", "../x", "/etc", [], {}, [[]], {"a": 1}, DEEP)
TOKENS = ("", "-1", "0", "99999999999999999999", "nan", "1e999", "\x1b[31m", "[", "=", "0x10", "1_0", "²", "٣")
X = samples(2, 5, 5, count=8)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """m.onnx, s.npz, the build out/ and the log of its self-test."""
    folder = tmp_path_factory.mktemp("damaged")
    onnx.save(conv_relu(), folder / "m.onnx")
    np.savez(folder / "s.npz", x=X, labels=np.arange(8) % 3)
    made = run("compile", folder / "m.onnx", "--calibration", folder / "s.npz", "-o", folder / "out")
    assert made.exit_code == 0, made.output
    sources = [str(folder / "out" / file) for file in ("m.c", "m_selftest.c")]
    subprocess.run(["gcc", "-DM_SELFTEST", "-DM_SELFTEST_MAIN", *sources, "-o", str(folder / "test")], check=True)
    (folder / "log.txt").write_bytes(subprocess.run([folder / "test"], capture_output=True, check=True).stdout)
    return folder


@pytest.fixture(autouse=True)
def faults_come_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(INTERNAL, "1")


def answered(*arguments: str | Path) -> int:
    """A command's exit status; what it prints, a terminal can show, and an error is a message."""
    result = run(*arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in (0, 1, 2), result.output
    assert (result.exit_code == 2) == bool(re.search(r"^(error: |Usage: )", result.stderr)), result.output
    assert all(line.isprintable() for line in result.output.splitlines()), result.output
    return result.exit_code


def line_changed(rng: Rng, text: str) -> str:
    """A line of a text goes, comes twice, or has another token."""
    lines = text.split("\n")
    at = int(rng.integers(len(lines)))
    if rng.random() < 0.2:
        del lines[at]
    elif rng.random() < 0.2:
        lines.insert(at, pick(rng, lines))
    else:
        tokens = re.split(r"(\W)", lines[at])
        tokens[int(rng.integers(len(tokens)))] = pick(rng, TOKENS)
        lines[at] = "".join(tokens)
    return "\n".join(lines)


def place_changed(rng: Rng, document: Any) -> Any:
    """Anywhere in a JSON document, a value goes, is renamed, or is another one."""
    inner = document
    while isinstance(inner, dict | list) and inner:
        key = pick(rng, list(inner) if isinstance(inner, dict) else range(len(inner)))
        if isinstance(inner[key], dict | list) and rng.random() < 0.75:
            inner = inner[key]
            continue
        if rng.random() < 0.2:
            del inner[key]
        elif rng.random() < 0.2 and isinstance(inner, dict):
            inner[str(pick(rng, TOKENS))] = inner[key]
        else:
            inner[key] = pick(rng, ODD)
        return document
    return pick(rng, ODD)


def damage(rng: Rng, path: Path) -> None:
    """A file's bytes change, or what they say."""
    content = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.7:
        path.write_text(json.dumps(place_changed(rng, json.loads(content))))
    elif path.suffix in (".txt", ".toml", ".c", ".h", ".inc") and rng.random() < 0.7:
        path.write_text(line_changed(rng, content.decode()))
    else:
        path.write_bytes(of_bytes(rng, content, [content]))


def compiling(home: Path) -> list[str | Path]:
    return ["compile", home / "m.onnx", "--calibration"]


READERS: Mapping[str, Callable[[Path, Path], list[str | Path]]] = {
    "audit": lambda home, out: ["audit", out],
    "diff": lambda home, out: ["diff", out, home / "out"],
    "export": lambda home, out: ["export", out, "-o", out.parent / "q.onnx"],
    "compile a program": lambda home, out: ["compile", out / "program.txt", "-o", out.parent / "new"],
    "evaluate": lambda home, out: ["evaluate", home / "m.onnx", "--build", out, "--samples", home / "s.npz"],
    "evaluate by layers": lambda home, out: [*READERS["evaluate"](home, out), "--layers"],
    "calibration": lambda home, out: [*compiling(home), out / "calibration.json", "-o", out.parent / "new"],
    "compile over it": lambda home, out: [*compiling(home), home / "s.npz", "-o", out],
}
FILES = ("manifest.json", "program.txt", "program.npz", "calibration.json", "plan.txt", "report.json")


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_build_is_read_or_refused(home: Path, tmp_path: Path, reader: str, file: str) -> None:
    for seed in range(4):
        out = tmp_path / str(seed) / "out"
        shutil.copytree(home / "out", out)
        damage(np.random.default_rng((seed, *map(ord, reader + file))), out / file)
        answered(*READERS[reader](home, out))


@pytest.mark.parametrize("file", ["m.c", "m.h", "m_weights.inc", "m_selftest.c", "e8_math.h"])
def test_damaged_c_is_audited(home: Path, tmp_path: Path, file: str) -> None:
    for seed in range(8):
        out = tmp_path / str(seed)
        shutil.copytree(home / "out", out)
        damage(np.random.default_rng((seed, *map(ord, file))), out / file)
        answered("audit", out)


def test_what_damage_to_builds_has_shown_is_told(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "out", tmp_path / "out")
    manifest, test = tmp_path / "out" / "manifest.json", tmp_path / "out" / "m_selftest.c"
    text = test.read_text()
    test.write_text(re.sub(r"0x([0-9a-f]{8})u", r"0x\1u\1u", text, count=1))
    assert answered("audit", tmp_path / "out") == 1
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"files": 1}))
    assert refused("audit", tmp_path / "out")["what"] == "not a build of eightbit"
    assert refused("diff", "n" * 5000, tmp_path / "out")["why"] == "File name too long"


def test_damaged_logs_are_read_or_refused(home: Path, tmp_path: Path) -> None:
    for seed in range(60):
        log, rng = tmp_path / f"{seed}.txt", np.random.default_rng(seed)
        shutil.copyfile(home / "log.txt", log)
        damage(rng, log)
        answered("verify", home / "out", "--log", log)


def test_damaged_target_files_are_read_or_refused(tmp_path: Path) -> None:
    for seed in range(150):
        path = tmp_path / "target.toml"
        shutil.copyfile(ROOT / "targets" / "cortex-m4.toml", path)
        damage(np.random.default_rng(seed), path)
        with contextlib.suppress(InputError):
            target.read(path)


def npy(shape: str, descr: str = "<f4", data: bytes = bytes(1600)) -> bytes:
    """An array's file, whatever its header says."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def npz(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def bomb(size: int) -> bytes:
    """A small archive that unpacks to `size` zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        info = zipfile.ZipInfo("x.npy")
        info.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(info, npy(f"({size // 200}, 2, 5, 5)", data=b""))
        info.file_size = size  # what the directory says
    return file.getvalue()


GOOD = npz(x=npy("(8, 2, 5, 5)"))
CHECKSUM = zipfile.ZipFile(io.BytesIO(GOOD)).infolist()[0].CRC.to_bytes(4, "little")
SAMPLES: Mapping[str, bytes] = {
    "nothing": b"",
    "two letters of a zip": b"PK",
    "an archive of nothing": npz(),
    "an array, not an archive": npy("(8, 2, 5, 5)"),
    "a pickle": npz(x=b"\x80\x04]\x94."),
    "objects": npz(x=npy("(8, 2, 5, 5)", "|O")),
    "a wrong magic": npz(x=b"\x94" + npy("(8, 2, 5, 5)")[1:]),
    "a header of parentheses": npz(x=b"\x93NUMPY\x01\x00\x60\xea" + b"(" * 60000),
    "too few bytes": npz(x=npy("(8, 2, 5, 5)", data=bytes(100))),
    "a shape of terabytes": npz(x=npy(f"({2**40}, 2, 5, 5)")),
    "a negative shape": npz(x=npy("(-1, 2, 5, 5)")),
    "no dimension": npz(x=npy("()", data=bytes(4))),
    "structures": npz(x=npy("(8, 2, 5, 5)", "<f4,<f4", bytes(3200))),
    "complex numbers": npz(x=npy("(8, 2, 5, 5)", "<c8", bytes(3200))),
    "dates": npz(x=npy("(8, 2, 5, 5)", "<M8[s]", bytes(3200))),
    "texts": npz(x=npy("(8, 2, 5, 5)", "<U1")),
    "no array inside": npz(x=b"hello"),
    "a name of control characters": npz(**{"\x1b[31m": npy("(8, 2, 5, 5)")}),
    "labels of two dimensions": npz(x=npy("(8, 2, 5, 5)"), labels=npy("(8, 2)", "<i8", bytes(128))),
    "a cut archive": GOOD[:-30],
    "a broken checksum": GOOD.replace(CHECKSUM, bytes(4)),
    "a bomb": bomb(1 << 33),
}


@pytest.mark.parametrize("content", SAMPLES.values(), ids=SAMPLES)
def test_samples_that_are_none_are_refused(home: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    error = refused("compile", home / "m.onnx", "--calibration", tmp_path / "bad.npz", "-o", tmp_path / "new")
    assert error["where"] == str(tmp_path / "bad.npz")


def test_damaged_samples_are_read_or_refused(home: Path, tmp_path: Path) -> None:
    for seed in range(60):
        path = tmp_path / "bad.npz"
        shutil.copyfile(home / "s.npz", path)
        damage(np.random.default_rng(seed), path)
        answered("evaluate", home / "m.onnx", "--build", home / "out", "--samples", path)
