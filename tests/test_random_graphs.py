# SPDX-License-Identifier: Apache-2.0
"""Random graphs, a small part of benchmarks/graph_sweep.py: they compile, and the C has the simulator's bits."""

from __future__ import annotations

import pytest

import eightbit
from random_graphs import random_model


@pytest.mark.parametrize("seed", range(20_001, 20_015))
@pytest.mark.parametrize("io", ["arena", "caller"])
def test_a_random_graph_compiles_to_the_bits_of_its_simulation(seed: int, io: str) -> None:
    model, calibration, fresh = random_model(seed)
    build = eightbit.compile(model, calibration, io=io, optimize="size" if seed % 3 == 0 else "speed")
    result = build.verify({name: array[:4] for name, array in fresh.items()}, "clang" if seed % 2 else "gcc", ("-O1",))
    assert result.ok, result


@pytest.mark.parametrize("seed", range(20_101, 20_111))
def test_a_random_graph_keeps_its_signal(seed: int) -> None:
    model, calibration, _ = random_model(seed)
    sqnr = eightbit.evaluate(eightbit.compile(model, calibration), model, calibration)["sqnr_db"]
    assert sqnr is None or sqnr > 25  # benchmarks/graph_sweep.py explains each one below 30
