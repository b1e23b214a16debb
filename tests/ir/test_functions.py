# SPDX-License-Identifier: Apache-2.0
"""Functions of one number as tables: their entries, their spelling, and the operators that become them."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import eightbit
from eightbit.audit.model import Tensor
from eightbit.audit.ops import lut as auditor
from eightbit.ir import functions
from eightbit.ops.lut import table
from kernels.cases import tensor
from models import model, node, one, samples
from obstacles_of import obstacles
from rewrites import calls

REAL = {
    "LeakyRelu(0.125)": lambda x: x if x > 0 else 0.125 * x,
    "Elu(1.5)": lambda x: x if x > 0 else 1.5 * math.expm1(x),
    "Selu(1.625,1.0625)": lambda x: 1.0625 * (x if x > 0 else 1.625 * math.expm1(x)),
    "Celu(2.0)": lambda x: x if x > 0 else 2 * math.expm1(x / 2),
    "HardSigmoid(0.25,0.5)": lambda x: min(1.0, max(0.0, 0.25 * x + 0.5)),
    "Softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
    "Softsign": lambda x: x / (1 + abs(x)),
    "Silu": lambda x: x / (1 + math.exp(-x)),
    "Gelu": lambda x: x / 2 * math.erfc(-x / math.sqrt(2)),
}
OPERATORS = {
    "LeakyRelu": {"alpha": 0.1},
    "Elu": {"alpha": 0.7},
    "Selu": {},
    "Celu": {"alpha": 0.5},
    "HardSigmoid": {"alpha": 1 / 6, "beta": 0.5},
    "Softplus": {},
    "Softsign": {},
}


@pytest.mark.parametrize("function", REAL)
def test_entries_are_the_real_function_rounded(function: str) -> None:
    x, y = tensor("x", (1, 1, 1), scale=0.0625, zero=-7), tensor("y", (1, 1, 1), scale=0.03125, zero=-60)
    exact = np.array([REAL[function]((q + 7) * 0.0625) for q in range(-128, 128)]) / 0.03125 - 60
    assert np.abs(table(function, x, y) - np.clip(exact, -128, 127)).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("function", REAL)
@pytest.mark.parametrize("scale", [2.0**-20, 0.03, 0.4, 300.0, 2.0**60])
def test_the_auditor_calculates_the_same_function_by_other_formulas(function: str, scale: float) -> None:
    x, y = tensor("x", (1, 1, 1), scale=scale, zero=-7), tensor("y", (1, 1, 1), scale=max(scale, 0.01), zero=-60)
    exact = [Tensor(t.name, t.shape, "HWC", Fraction(t.scale), t.zero_point, "") for t in (x, y)]
    assert table(function, x, y).tolist() == auditor.entries(function, *exact)


@pytest.mark.parametrize("function", REAL)
def test_the_float_functions_are_these(function: str) -> None:
    x = np.linspace(-9, 9, 50)
    assert np.allclose(functions.known(function).floats(x), [REAL[function](value) for value in x], rtol=1e-12)


@pytest.mark.parametrize("op", OPERATORS)
def test_an_operator_of_one_number_is_a_table(op: str) -> None:
    assert calls(one(op, [1, 4, 6], **OPERATORS[op]), 35) == ["lut"]


@pytest.mark.parametrize("opset", [20, 22])
def test_the_exact_gelu_is_a_table_and_its_approximation_is_refused(opset: int) -> None:
    assert calls(one("Gelu", [1, 4, 6], opset=opset), 35) == ["lut"]
    found = obstacles(one("Gelu", [1, 4, 6], opset=opset, approximate="tanh"))
    assert [why for _, why in found] == ["its approximation 'tanh' is not supported; the exact one is"]


@pytest.mark.parametrize("slope", [np.array([0.25]), np.array([[[0.25]]])])
def test_a_prelu_with_one_slope_is_a_leaky_relu(slope: np.ndarray) -> None:
    assert calls(one("PRelu", [1, 4, 6], {"slope": slope}), 35) == ["lut"]


def test_a_prelu_with_a_slope_for_each_channel_is_refused() -> None:
    found = obstacles(one("PRelu", [1, 4, 6], {"slope": np.full((4, 1), 0.25)}))
    assert [why for _, why in found] == [
        "its slopes are not one constant number; one slope for all channels is supported"
    ]


@pytest.mark.parametrize("order", ["x s", "s x"])
def test_a_value_times_its_sigmoid_is_one_table(order: str) -> None:
    proto = model([node("Sigmoid", "x", "s"), node("Mul", order, "y")], {"x": [1, 4, 6]}, {"y": None})
    assert calls(proto, 35) == ["lut"]


def test_a_sigmoid_that_something_else_reads_too_is_a_table_of_its_own() -> None:
    nodes = [node("Sigmoid", "x", "s"), node("Mul", "x s", "a"), node("Add", "a s", "y")]
    assert calls(model(nodes, {"x": [1, 4, 6]}, {"y": None})) == ["lut", "lut", "add"]


@pytest.mark.parametrize("text", ["Tanh(1.0)", "LeakyRelu", "LeakyRelu(x)", "LeakyRelu(0.10)", "Relu6", "Elu(1.0"])
def test_other_spellings_are_no_function(text: str) -> None:
    assert functions.read(text) is None


@pytest.mark.parametrize("function", REAL)
def test_a_spelling_is_read_as_it_was_written(function: str) -> None:
    found = functions.read(function)
    assert found is not None
    assert functions.spelled(found.name, *found.values) == function


def test_a_function_with_attributes_survives_the_text_of_a_program(tmp_path: Path) -> None:
    build = eightbit.compile(one("Selu", [1, 4, 6]), samples(4, 6))
    build.write(tmp_path / "out")
    assert "function=Selu(1.6732631921768188,1.0507010221481323)" in (tmp_path / "out" / "program.txt").read_text()
    assert eightbit.compile(tmp_path / "out" / "program.txt").program.calls[0].params == build.program.calls[0].params
