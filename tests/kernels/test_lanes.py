# SPDX-License-Identifier: Apache-2.0
"""Kernels in lanes in whole networks: every width round that of the lanes, where compilers know all sizes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import eightbit
from kernels.driver import WARNINGS
from models import model, node, weights

# Compilers warn of bounds where a call's sizes are constants: one call of a kernel in a file is inlined.
FLAGS = {"gcc": (("-O2",), ("-O3", "-march=native")), "clang": (("-O3",),)}


def network(channels: int, target: str) -> eightbit.Build:
    """A convolution and a depthwise one, with borders of different sizes."""
    nodes = [
        node("Conv", "x w", "h", pads=[1, 1, 0, 0]),
        node("Conv", "h d", "y", group=channels, pads=[1, 1, 1, 1]),
    ]
    consts = {"w": weights(channels, channels, 2, 2), "d": weights(channels, 1, 3, 3)}
    shape = [1, channels, 5, 7]
    proto = model(nodes, {"x": shape}, {"y": shape}, consts)
    x = np.random.default_rng(1).normal(0, 1, (10, *shape[1:])).astype(np.float32)
    return eightbit.compile(proto, np.ascontiguousarray(x), target=target, name="net")


@pytest.mark.parametrize("channels", [8, 10, 15, 16, 17, 24, 33])
def test_a_network_of_any_width_compiles_without_warnings(channels: int, tmp_path: Path) -> None:
    out = network(channels, "x86-64").write(tmp_path / "out")
    assert {path.stem for path in out.glob("*.inc")} >= {"e8_conv_s8__lanes", "e8_depthwise_s8__lanes"}
    for compiler, levels in FLAGS.items():
        for flags in levels:
            command = [compiler, "-std=c99", *WARNINGS, *flags, "-c", out / "net.c", "-o", tmp_path / "net.o"]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), f"{compiler} {flags}"


@pytest.mark.parametrize("flags", [("-O0",), ("-O3", "-march=native")])
def test_lanes_make_the_bits_of_the_simulator_with_and_without_vectors(flags: tuple[str, ...]) -> None:
    assert network(19, "x86-64").verify(cflags=flags).ok


def test_too_few_channels_for_lanes_are_left_to_the_portable_kernels(tmp_path: Path) -> None:
    out = network(7, "x86-64").write(tmp_path / "out")
    assert not list(out.glob("*lanes*"))
