# SPDX-License-Identifier: Apache-2.0
"""The real networks and samples, which are no part of the repository: found through EIGHTBIT_MODELS."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

VARIABLE = "EIGHTBIT_MODELS"


@dataclass(frozen=True)
class Network:
    """A real network: its file, whose samples it takes, and how its input is called."""

    name: str
    file: str
    data: str
    input: str = "input"


NETWORKS = {
    network.name: network
    for network in (
        Network("kws", "mlperf_tiny/kws/kws_float_from_keras.onnx", "kws"),
        Network("digits_cnn", "digits/digits_cnn.ts.onnx", "digits"),
        Network("digits_cnn_dynamo", "digits/digits_cnn.dynamo.onnx", "digits"),
        Network("digits_mlp", "digits/digits_mlp.ts.onnx", "digits"),
        Network("digits_mlp_dynamo", "digits/digits_mlp.dynamo.onnx", "digits"),
    )
}

# The four networks of MLPerf Tiny. `ad` has no labels: an autoencoder is judged by its reconstruction.
TINY = {
    network.name: network
    for network in (
        NETWORKS["kws"],
        Network("ic", "mlperf_tiny/ic/ic_float_from_tflite.onnx", "ic", "input_1"),
        Network("vww", "mlperf_tiny/vww/vww_float_from_tflite.onnx", "vww", "input_1"),
        Network("ad", "mlperf_tiny/ad/ad_float_from_tflite.onnx", "ad", "input_1"),
    )
}


def folder() -> Path | None:
    """The folder that EIGHTBIT_MODELS names; None when it is not set."""
    return Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


def path(network: Network) -> Path:
    root = folder()
    if root is None:
        raise RuntimeError(f"{VARIABLE} is not set")
    return root / network.file


@cache
def _loader() -> ModuleType:
    root = folder()
    spec = importlib.util.spec_from_file_location("shared_samples", f"{root}/samples.py")
    if spec is None or spec.loader is None:
        raise RuntimeError(f"no samples.py in {root}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def samples(network: Network, split: str, rows: slice = slice(None)) -> dict[str, NDArray[np.generic]]:
    """Samples of a split ('calib' or 'eval') by input name, with `labels`."""
    x, labels = _loader().load(network.data, split)
    arrays = {network.input: np.asarray(x)[rows]}
    return arrays if labels is None else arrays | {"labels": np.asarray(labels)[rows]}


def calibration(network: Network) -> dict[str, NDArray[np.generic]]:
    """The first 100 calibration samples, without labels."""
    return {network.input: samples(network, "calib", slice(100))[network.input]}
