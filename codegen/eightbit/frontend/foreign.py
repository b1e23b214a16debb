# SPDX-License-Identifier: Apache-2.0
"""What a file that is no ONNX may be, told by its first bytes, and how an ONNX file is made of it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """What it is, as a noun, what tells so, and what to do instead."""

    name: str
    why: str
    hint: str


KERAS_HINT = 'export the float network: model.export("model.onnx", format="onnx") in Keras 3, or with tf2onnx'
PYTORCH = Kind(
    "a file of PyTorch",
    "it holds pickled Python objects",
    'export the float network in Python: torch.onnx.export(model.eval(), (example_input,), "model.onnx")',
)
KERAS = Kind("a Keras model", "it is an archive with a config.json", KERAS_HINT)
HDF5 = Kind("an HDF5 file", "it begins as HDF5 does, which Keras writes", KERAS_HINT)
TFLITE = Kind(
    "a TensorFlow Lite model",
    "it has the mark TFL3",
    "take the float network it was made from, and convert that with tf2onnx",
)
NUMPY = Kind(
    "a file of NumPy",
    "it holds arrays, as samples do",
    "the model comes first, samples follow --calibration or --samples",
)


def kind(content: bytes) -> Kind | None:
    """What the bytes of a whole file look like; None for anything else."""
    if content[4:8] == b"TFL3":
        return TFLITE
    if content.startswith(b"\x89HDF\r\n"):
        return HDF5
    if content.startswith(b"\x93NUMPY"):
        return NUMPY
    if content.startswith(b"\x80\x02"):  # a pickle of protocol 2, as PyTorch wrote before 1.6
        return PYTORCH
    return _archive(content) if content.startswith(b"PK\x03\x04") else None


def _archive(content: bytes) -> Kind | None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            names = {Path(name).name for name in file.namelist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):  # truncated, or damaged
        return None
    if "data.pkl" in names:
        return PYTORCH
    if "config.json" in names:
        return KERAS
    return NUMPY if names and all(name.endswith(".npy") for name in names) else None
