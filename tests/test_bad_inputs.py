# SPDX-License-Identifier: Apache-2.0
"""Everything a user can get wrong, and the first line of the answer: docs/bad-inputs.md is this table.

`pytest --update` writes the file. What an input is refused for in detail is tested beside what reads it.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from command_line import refused, run
from eightbit.errors import InputError
from eightbit.frontend import foreign, load
from models import dense, model, node, one, samples, weights

TABLE = Path(__file__).resolve().parents[1] / "docs" / "bad-inputs.md"
DENSE, X = dense(), samples(4, count=8)
BYTES = DENSE.SerializeToString()
Damage = Callable[[onnx.ModelProto], Any]


def damaged(damage: Damage) -> onnx.ModelProto:
    proto = dense()
    damage(proto)
    return proto


def external(location: str) -> onnx.ModelProto:
    proto = dense()
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return proto


def of_another_domain() -> onnx.ModelProto:
    proto = model([helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")], {"x": [1, 4]}, {"y": [1, 4]})
    proto.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return proto


def archive(members: Mapping[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def gemm(value: float) -> onnx.ModelProto:
    w = weights(4, 3)
    w[0, 0] = value
    return one("Gemm", [1, 4], {"w": w})


MODELS: Mapping[str, bytes | onnx.ModelProto] = {
    "an empty file": b"",
    "a truncated file": BYTES[: len(BYTES) // 2],
    "a file of PyTorch": archive({"net/data.pkl": b"", "net/version": b"3"}),
    "a file of PyTorch before 1.6": pickle.dumps({"weight": 1}, protocol=2),
    "a Keras model": archive({"config.json": b"{}", "model.weights.h5": b""}),
    "a Keras model in HDF5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "a TensorFlow Lite model": b"\x1c\x00\x00\x00TFL3" + bytes(100),
    "samples as the model": archive({"x.npy": b""}),
    "random bytes": np.random.default_rng(0).bytes(1000),
    "a protobuf that is no ONNX": DENSE.graph.node[0].SerializeToString(),
    "a graph without its model": DENSE.graph.SerializeToString(),
    "a model without nodes": damaged(lambda m: m.graph.ClearField("node")),
    "a model without outputs": damaged(lambda m: m.graph.ClearField("output")),
    "shapes that contradict each other": one("Gemm", [1, 5], {"w": weights(4, 3)}),
    "a stated shape that is not the real one": model([node("Relu", "x", "y")], {"x": [1, 4]}, {"y": [1, 5]}),
    "external data that is missing": external("weights.bin"),
    "external data outside of the model's folder": external("../weights.bin"),
    "an operator that does not compile": one("Erf", [1, 4]),
    "several that do not": model([node("Erf", "x", "h"), node("Sin", "h", "y")], {"x": [1, 4]}, {"y": None}),
    "an operator that ONNX does not have": one("Rleu", [1, 4]),
    "an operator of another domain": of_another_domain(),
    "an opset that is too old": one("Relu", [1, 4], opset=6),
    "an opset that nobody knows": damaged(lambda m: setattr(m.opset_import[0], "version", 1000)),
    "a size that is left open": one("Relu", [1, "width"]),
    "an input without a shape": one("Relu", None),
    "an input of another type": one("Relu", [1, 4], dtype=TensorProto.DOUBLE),
    "a weight that is NaN": gemm(np.nan),
    "a weight that is infinite": gemm(np.inf),
    "more nodes than any network has": model(
        [node("Relu", "x", str(i)) for i in range(10_001)], {"x": [1]}, {"0": [1]}
    ),
    "a value of 33 dimensions": one("Relu", [1] * 33),
    "a model that is quantised": one("QuantizeLinear", [1, 4], {"s": np.float32(1)}),
}
SAMPLES: Mapping[str, bytes | Mapping[str, Any]] = {
    "samples that are no archive": b"hello",
    "samples of another name": {"y": X},
    "samples of another shape": {"x": samples(5)},
    "samples that are no numbers": {"x": np.full((8, 4), "a")},
    "samples with NaN": {"x": np.where(np.arange(4) == 2, np.nan, X)},
    "no rows of samples": {"x": X[:0]},
    "samples too large for any scale": {"x": X * np.float32(1e30)},
    "labels of another length": {"x": X, "labels": np.arange(3)},
}
ARGUMENTS: Mapping[str, str] = {
    "no such model": "compile none.onnx",
    "a folder as the model": "compile .",
    "a build as the model": "compile out",
    "a program and samples": "compile out/program.txt --calibration s.npz",
    "a float model without samples": "compile dense.onnx",
    "an unknown target": "compile dense.onnx --calibration s.npz --target cortex-m5",
    "an unknown option": "compile dense.onnx --calibratoin s.npz",
    "an unknown value of an option": "compile dense.onnx --io calle",
    "an unknown command": "complie dense.onnx",
    "a range of an unknown input": "compile dense.onnx --calibration s.npz --input-range image=0,1",
    "test samples of another input": "compile dense.onnx --calibration s.npz --test wrong.npz",
    "test samples for a program": "compile out/program.txt --test s.npz",
    "a shape of an unknown input": "compile dense.onnx --calibration s.npz --shape image=1,4",
    "a shape that the model does not have": "compile dense.onnx --calibration s.npz --shape x=1,5",
    "a budget of RAM that is too small": "compile dense.onnx --calibration s.npz --max-ram 5",
    "a budget of flash that is too small": "compile dense.onnx --calibration s.npz --max-flash 5",
    "a budget that is no size": "compile dense.onnx --calibration s.npz --max-ram lots",
    "a board that is too small": "compile wide.onnx --calibration wide.npz --target avr-atmega2560",
    "a folder that cannot be written": "compile dense.onnx --calibration s.npz -o /proc/eightbit",
    "a file where the folder would be": "compile dense.onnx --calibration s.npz -o s.npz",
    "a file of somebody else in the folder": "compile dense.onnx --calibration s.npz -o taken",
    "a folder that is no build": "verify .",
    "a folder that is not there": "verify none",
    "two builds, one of which is not there": "diff out none",
    "a compiler that is missing": "verify out --cc no-such-cc",
    "samples of another scale than the build's": "verify out --samples pixels.npz",
    "the same, for accuracy": "evaluate dense.onnx --build out --samples pixels.npz",
    "a build of another model": "evaluate wide.onnx --build out --samples wide.npz",
    "a log that is none": "verify out --log s.npz",
    "a path that is too long": f"diff {'n' * 5000} out",
}


def save(path: Path, content: bytes | Mapping[str, Any]) -> None:
    file = io.BytesIO()
    if not isinstance(content, bytes):
        np.savez(file, **content)
    path.write_bytes(content if isinstance(content, bytes) else file.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """dense.onnx and s.npz, what the table's other rows name, and the build out/."""
    home = tmp_path_factory.mktemp("bad")
    onnx.save(DENSE, home / "dense.onnx")
    onnx.save(one("Tanh", [1, 2000, 3]), home / "wide.onnx")
    arrays = {"s": {"x": X}, "wide": {"x": samples(2000, 3)}, "pixels": {"x": abs(X) * 255}, "wrong": {"y": X}}
    for name, content in arrays.items():
        save(home / f"{name}.npz", content)
    (home / "taken").mkdir()
    (home / "taken" / "dense.c").write_text("mine")
    done = run("compile", home / "dense.onnx", "--calibration", home / "s.npz", "-o", home / "out")
    assert done.exit_code == 0, done.output
    return home


def first_line(arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit status and the first line of the message; nothing is written, and no traceback is shown."""
    before = sorted(folder.rglob("*"))
    monkeypatch.chdir(folder)
    result = run(*arguments)
    assert sorted(folder.rglob("*")) == before
    assert "Traceback" not in result.output
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    if lines[0].startswith("Usage:"):
        return result.exit_code, lines[-1].removeprefix("Error: ")
    assert [line.split(":")[0] for line in lines if line.startswith("  ") and line[2] != " "] == [
        "  where", "  why", "  hint"
    ]  # fmt: skip
    return result.exit_code, lines[0].removeprefix("error: ")


def rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    found = []
    for title, source in MODELS.items():
        content = source if isinstance(source, bytes) else source.SerializeToString()
        (folder / "bad.onnx").write_bytes(content)
        arguments = ["compile", "bad.onnx", "--calibration", "s.npz", "-o", "made"]
        found.append((title, *first_line(arguments, folder, monkeypatch)))
    for title, arrays in SAMPLES.items():
        save(folder / "bad.npz", arrays)
        arguments = ["compile", "dense.onnx", "--calibration", "bad.npz", "-o", "made"]
        found.append((title, *first_line(arguments, folder, monkeypatch)))
    for title, line in ARGUMENTS.items():
        made = ["-o", "made"] if line.startswith("compile") and "-o" not in line else []
        found.append((title, *first_line([*line.split(), *made], folder, monkeypatch)))
    return found


HEAD = """\
# What is refused, and how it is said

Every error says what is wrong, where, why and what to do; these are the first lines. Exit status 2: the input cannot be
used; 1: the answer is no. Nothing is left half written. Written by `pytest tests/test_bad_inputs.py --update`.

| input | status | first line of the answer |
|---|---|---|
"""


def test_every_bad_input_has_its_message(folder: Path, monkeypatch: pytest.MonkeyPatch, update: bool) -> None:
    found = rows(folder, monkeypatch)
    assert all(status in (1, 2) and line for _, status, line in found)
    text = HEAD + "".join(f"| {title} | {status} | {line} |\n" for title, status, line in found)
    if update:
        TABLE.write_text(text)
    assert TABLE.read_text() == text


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("compile out", "out/program.txt"),
        ("verify none", "eightbit compile model.onnx"),
        ("diff out none", "program.txt"),
    ],
)
def test_what_may_be_meant_by_a_path_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, hint: str
) -> None:
    monkeypatch.chdir(folder)
    assert hint in refused(*arguments.split())["hint"]


KINDS = {
    "a file of PyTorch": "torch.onnx.export",
    "a file of PyTorch before 1.6": "torch.onnx.export",
    "a Keras model": "model.export",
    "a Keras model in HDF5": "tf2onnx",
    "a TensorFlow Lite model": "tf2onnx",
    "samples as the model": "--calibration",
}


@pytest.mark.parametrize("title", KINDS)
def test_a_file_of_another_tool_is_told_by_name_and_how_to_make_onnx_of_it(title: str) -> None:
    content = MODELS[title]
    assert isinstance(content, bytes)
    with pytest.raises(InputError) as caught:
        load.load(content)
    assert caught.value.what.startswith("not an ONNX file but a")
    assert KINDS[title] in caught.value.hint


def test_an_archive_that_is_cut_or_of_something_else_has_no_name() -> None:
    whole = archive({"net/data.pkl": b"", "net/version": b"3"})
    assert [foreign.kind(content) for content in (whole[:40], archive({"a.txt": b""}), b"")] == [None] * 3


def test_json_tells_the_same_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    result = run("compile", "dense.onnx", "--json")
    error = json.loads(result.stdout)["error"]
    assert result.stderr.startswith(f"error: {error['what']}\n")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        ("compile dense.onnx --target cortex-m5 --calibration s.npz", "'cortex-m55'"),
        ("compile dense.onnx --target cortex-m0", "'cortex-m0plus'? "),
        ("compile dense.onnx --target STM32F4", "did you mean 'cortex-m4'? "),
        ("compile dense.onnx --target nrf52", "did you mean 'cortex-m4'? "),
        ("compile dense.onnx --target esp32", "'rv32imc'"),
        ("compile dense.onnx --calibratoin s.npz", "'--calibration'"),
        ("complie dense.onnx", "'compile'"),
        ("compile named.onnx --calibration named.npz", "'image'"),
        ("compile named.onnx --calibration named.npz --shape imag=1,4", "'image'"),
    ],
)
def test_the_closest_name_is_suggested(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, meant: str
) -> None:
    onnx.save(model([node("Relu", "image", "y")], {"image": [1, 4]}, {"y": None}), folder / "named.onnx")
    save(folder / "named.npz", {"images": X})
    monkeypatch.chdir(folder)
    result = run(*arguments.split())
    assert result.exit_code == 2
    assert "id you mean" in result.stderr
    assert meant in result.stderr
