# SPDX-License-Identifier: Apache-2.0
"""Layers whose factor M = s_x * s_w / s_y is 1/4 or more, so that accumulators are shifted left before they are scaled.

No real network here has one. Weights come in pairs of opposite sign and inputs in pairs that are nearly equal, so that
the sums all but cancel and the output needs a small scale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from models import model, node

OPS = ("conv", "depthwise", "fc")
LSHIFTS = range(1, 10)
SAMPLES, SIZE = 20, 6
Float = NDArray[np.float32]


def layer(op: str, lshift: int, seed: int = 0) -> tuple[onnx.ModelProto, Float]:
    """A model of one such layer, and samples that give it the left shift `lshift`."""
    rng = np.random.default_rng([seed, lshift])
    weights = np.repeat(rng.uniform(0.5, 1.0, (4, 4)), 2, axis=1) * np.tile([1.0, -1.0], 4)  # [out, in]
    factor = 0.25 * 2.0 ** (lshift - 1) * rng.uniform(1.15, 1.6)  # l goes up where M reaches 1/4, 1/2, 1, 2, ...
    if op == "depthwise":  # each channel has one row of eight taps, over pairs of columns
        x = _samples(rng, (SAMPLES, 4, SIZE, 8), lambda x: np.einsum("nchw,cw->nch", x, weights), factor)
        return model([node("Conv", "x w", "y", group=4)], _shape(x), {"y": None}, {"w": weights[:, None, None]}), x
    if op == "fc":
        x = _samples(rng, (SAMPLES, 8), lambda x: x @ weights.T, factor)
        return model([node("Gemm", "x w", "y", transB=1)], _shape(x), {"y": None}, {"w": weights}), x
    x = _samples(rng, (SAMPLES, SIZE, SIZE, 8), lambda x: x @ weights.T, factor)
    x = np.moveaxis(x, -1, 1)
    return model([node("Conv", "x w", "y")], _shape(x), {"y": None}, {"w": weights[:, :, None, None]}), x


def _shape(x: Float) -> dict[str, list[int]]:
    return {"x": [1, *x.shape[1:]]}


def _samples(rng: np.random.Generator, shape: tuple[int, ...], layer: Callable[..., Any], factor: float) -> Float:
    """Inputs whose range, beside that of the layer's sums, gives it the factor M; weights reach at most 1."""
    half = (*shape[:-1], shape[-1] // 2)
    base, difference = rng.uniform(-1, 1, half), rng.uniform(-1, 1, half)
    sums = layer(_paired(np.zeros(half), difference))  # equal neighbours cancel
    margin = 1 + 2 / np.sqrt(sums.size)  # calibrated ranges of results are wider than what was seen
    size = (base.max() - base.min()) / 127 / factor / ((sums.max() - sums.min()) * margin)
    return _paired(base, base + size * difference).astype(np.float32)


def _paired(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two arrays, interleaved along their last axis."""
    return np.stack([first, second], axis=-1).reshape(*first.shape[:-1], -1)
