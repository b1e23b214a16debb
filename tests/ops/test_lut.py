# SPDX-License-Identifier: Apache-2.0
"""Tables: their entries against the real functions, and the cases of their kernels."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx
import pytest

from eightbit.ops.lut import Params, table
from kernels.cases import Case, Rng, make, sized_shape, tensor, values
from models import model, node
from own_networks import numbers


def case(rng: Rng) -> Case:
    shape = sized_shape(rng)
    params = Params(w=shape[1], ch=shape[2], function="Tanh")
    return make("lut", params, {"table": values(rng, (256,))}, [tensor("x", shape)], tensor("y", shape), rng)


def test_the_result_for_minus_128_comes_first() -> None:
    entries = np.roll(np.arange(-128, 128), 1).astype(np.int8)
    made = make(
        "lut", Params(w=1, ch=3, function="Tanh"), {"table": entries}, [tensor("x", (1, 1, 3))],
        tensor("y", (1, 1, 3)), np.random.default_rng(0),
    )  # fmt: skip
    x = np.array([-128, 0, 127], np.int8).reshape(1, 1, 1, 3)
    assert replace(made, arrays=(x,)).expected().ravel().tolist() == [127, -1, 126]


def hard_swish() -> onnx.ModelProto:
    nodes = [node("Gemm", "x v", "a"), node("HardSwish", "a", "y")]
    return model(nodes, {"x": [1, 12]}, {"y": [1, 7]}, {"v": numbers(12, 7)})


NETWORKS = {"hard_swish": hard_swish}
REAL = {
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
}


@pytest.mark.parametrize(("function", "real"), REAL.items())
def test_entries_are_the_real_function_rounded_and_saturated(function: str, real: np.ufunc) -> None:
    x, y = tensor("x", (1, 1, 1), scale=0.0625, zero=-7), tensor("y", (1, 1, 1), scale=0.0078125, zero=3)
    exact = real((np.arange(-128, 128) + 7) * 0.0625) / 0.0078125 + 3
    assert np.abs(table(function, x, y) - np.clip(exact, -128, 127)).max() <= 0.5


@pytest.mark.parametrize("scale", [float(np.float32(0.1)), 2.0**-7, float(np.float32(1e-6)), 3.0])
def test_ties_of_a_hard_swish_are_rounded_up(scale: float) -> None:
    """From 3 on it is x, and in steps twice as wide every other one is half way."""
    x, y = tensor("x", (1, 1, 1), scale=scale), tensor("y", (1, 1, 1), scale=2 * scale)
    first = math.ceil(3 / scale)
    entries = table("HardSwish", x, y)[128:].tolist()
    assert entries[first:] == [(q + 1) // 2 for q in range(128)][first:]
    assert entries[0] == 0


def test_half_of_a_sigmoid_is_exact() -> None:
    x, y = tensor("x", (1, 1, 1), scale=0.5), tensor("y", (1, 1, 1), scale=1 / 256, zero=-128)
    assert table("Sigmoid", x, y)[128] == 0


@pytest.mark.parametrize("function", ["Sigmoid", "Tanh"])
def test_the_largest_scales_saturate_and_do_not_overflow(function: str) -> None:
    x, y = tensor("x", (1, 1, 1), scale=2.0**60), tensor("y", (1, 1, 1), scale=1 / 128)
    made = table(function, x, y)
    assert made[-1] == 127
    assert made[128] == (64 if function == "Sigmoid" else 0)
