# SPDX-License-Identifier: Apache-2.0
"""Limits on memories: kept, or the answer no, with by how much and what would fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import eightbit
from command_line import answer, refused
from eightbit.errors import BudgetError, InputError
from eightbit.planning import budgets
from models import conv_relu, model, node, one, samples, weights

X = samples(2, 5, 5)


def exceeding(proto: onnx.ModelProto, x: np.ndarray, **options: Any) -> BudgetError:
    with pytest.raises(BudgetError) as caught:
        eightbit.compile(proto, x, **options)
    assert caught.value.exit_status == 1
    return caught.value


def test_a_budget_that_is_just_kept_changes_nothing_and_one_byte_less_is_broken() -> None:
    free = eightbit.compile(conv_relu(), X)
    report = free.report()
    ram, flash = report["context_bytes"], report["weight_bytes"]
    assert eightbit.compile(conv_relu(), X, max_ram=ram, max_flash=flash).files() == free.files()
    error = exceeding(conv_relu(), X, max_ram=ram - 1)
    assert (error.what, error.where) == ("the network breaks --max-ram", "--max-ram")
    assert error.why == f"it needs {ram} bytes of RAM, stack apart; allowed are {ram - 1}, 1 too few"
    error = exceeding(conv_relu(), X, max_flash=flash - 1)
    assert error.why == f"it needs {flash} bytes of flash, code apart; allowed are {flash - 1}, 1 too few"


def test_buffers_of_the_caller_count_too() -> None:
    report = eightbit.compile(conv_relu(), X, io="caller").report()
    need = report["context_bytes"] + report["io_bytes"]
    assert f"needs {need} bytes" in exceeding(conv_relu(), X, io="caller", max_ram=need - 1).why


def wide() -> tuple[onnx.ModelProto, np.ndarray]:
    """A convolution of 17 channels, which take the room of 32 where they are made 16 at a time."""
    proto = model([node("Conv", "x w", "y")], {"x": [1, 16, 4, 4]}, {"y": None}, {"w": weights(17, 16, 1, 1)})
    return proto, samples(16, 4, 4)


def test_the_options_that_would_fit_are_named() -> None:
    proto, x = wide()
    small = eightbit.compile(proto, x, optimize="size").report()["weight_bytes"]
    assert small < eightbit.compile(proto, x).report()["weight_bytes"]
    error = exceeding(proto, x, max_flash=small)
    assert error.hint == "it fits with --optimize size"
    eightbit.compile(proto, x, optimize="size", max_flash=small)


def test_activations_that_no_option_makes_smaller_are_said_to_be_so() -> None:
    error = exceeding(conv_relu(), X, max_ram=60)
    assert error.hint == "the activations alone take 77 bytes: take smaller inputs or fewer channels"


def test_constants_that_no_option_makes_smaller_are_said_to_be_so() -> None:
    error = exceeding(conv_relu(), X, max_flash=60)
    assert error.hint == "no --io or --optimize makes it fit: take a smaller network"


def test_a_board_that_is_too_small_names_those_that_are_not() -> None:
    error = exceeding(one("Tanh", [1, 2000, 3]), samples(2000, 3), target="avr-atmega2560")
    assert error.what == "the network does not fit the RAM of avr-atmega2560"
    assert error.hint.endswith("or a larger target (microbit)")
    error = exceeding(one("Tanh", [1, 9000, 3]), samples(9000, 3), target="microbit")
    assert "one without limits of its own" in error.hint


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("32768", 32768), ("32K", 32768), ("32 KiB", 32768), ("1m", 1 << 20), ("8kb", 8192), (None, None)],
)
def test_a_size_may_be_given_in_bytes_kib_or_mib(text: str | None, size: int | None) -> None:
    assert budgets.parse("--max-ram", text) == size


@pytest.mark.parametrize("text", ["", "-1", "1.5K", "K", "32G", "lots", "1" * 20])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="cannot read --max-ram"):
        budgets.parse("--max-ram", text)


def test_the_command_line_says_no_and_writes_nothing(tmp_path: Path) -> None:
    onnx.save(conv_relu(), tmp_path / "net.onnx")
    np.savez(tmp_path / "s.npz", x=X)
    arguments = ["compile", tmp_path / "net.onnx", "--calibration", tmp_path / "s.npz", "-o", tmp_path / "out"]
    for option in ("--max-ram", "--max-flash"):
        assert refused(*arguments, option, "50", status=1)["where"] == option
    assert not (tmp_path / "out").exists()
    assert answer(*arguments, "--max-ram", "1K", "--max-flash", "1K")["context_bytes"] <= 1024
    again = ["compile", tmp_path / "out" / "program.txt", "-o", tmp_path / "again"]
    refused(*again, "--max-ram", "50", status=1)
    answer(*again, "--max-ram", "1K")
