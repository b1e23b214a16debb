# SPDX-License-Identifier: Apache-2.0
"""Softmax: its table, its sums, how far it is from the real function, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from eightbit.ir.fixed import Int8
from eightbit.ops.softmax import OUT_BITS, OUT_BITS_MAX, OUT_ZERO_POINT, Params, exp_bits, exp_table, out_bits
from kernels.cases import Case, Rng, between, make, sized_shape, tensor

SCALES = (0.0, 1e-4, 0.004, 0.02, 0.1, 0.6, 3.0)


@cache
def table(scale: float, bits_of_channels: int, bits: int) -> NDArray[np.uint32]:
    return exp_table(scale, 1 << bits_of_channels, bits)


def softmax(shape: tuple[int, int, int], scale: float, rng: Rng, bits: int = OUT_BITS) -> Case:
    consts = {"table": table(scale, (shape[2] - 1).bit_length(), bits)}
    output = tensor("y", shape, scale=2.0**-bits, zero=OUT_ZERO_POINT)
    params = Params(w=shape[1], ch=shape[2], out_lshift=bits)
    return make("softmax", params, consts, [tensor("x", shape, scale=scale or 1.0)], output, rng)


def case(rng: Rng) -> Case:
    shape = sized_shape(rng)
    if rng.random() < 0.2:
        shape = (1, 1, between(rng, 200, 1100))
    made = softmax(shape, float(rng.choice(SCALES)), rng, between(rng, OUT_BITS, OUT_BITS_MAX))
    if rng.random() < 0.3:  # small sums, so that quotients lie on and beside ties
        falling = np.sort(rng.integers(0, int(rng.choice([3, 20, 300])), 256))[::-1] + 1
        made = replace(made, call=replace(made.call, consts={"table": falling.astype(np.uint32)}))
    return made


def probabilities(scale: float, x: Int8) -> Int8:
    made = softmax((1, 1, x.size), scale, np.random.default_rng(0))
    return replace(made, arrays=(x.reshape(1, 1, 1, -1),)).expected().ravel()


def test_equal_inputs_share_the_probability() -> None:
    assert probabilities(0.1, np.full(4, 9, np.int8)).tolist() == [64 - 128] * 4


def test_certainty_saturates_at_255_of_256() -> None:
    assert probabilities(3.0, np.array([127, -128, -128], np.int8)).tolist() == [127, -128, -128]


def test_one_channel_is_always_certain() -> None:
    assert probabilities(0.1, np.array([5], np.int8)).tolist() == [127]


@pytest.mark.parametrize("scale", SCALES[1:])
def test_results_are_within_one_step_of_the_real_function(scale: float) -> None:
    x = np.random.default_rng(1).integers(-128, 128, (200, 10)).astype(np.int8)
    for row in x:
        e = np.exp((row.astype(np.float64) - row.max()) * scale)
        real = np.minimum(e / e.sum() * 256, 255) - 128
        assert np.abs(probabilities(scale, row) - real).max() <= 0.51


def test_probabilities_of_ten_channels_sum_to_about_one() -> None:
    x = np.random.default_rng(2).integers(-128, 128, (200, 10)).astype(np.int8)
    for row in x:
        assert abs(int((probabilities(0.05, row).astype(int) + 128).sum()) - 256) <= 5


@pytest.mark.parametrize("channels", [1, 2, 255, 256, 257, 1 << 14, 32767])
def test_no_sum_leaves_32_bits(channels: int) -> None:
    for bits in range(OUT_BITS, OUT_BITS_MAX + 1):
        fraction = exp_bits(channels, bits)
        assert channels << fraction <= 1 << 31
        assert fraction == 31 - bits or channels << (fraction + 1) > 1 << 31
        assert (1 << (fraction + bits)) + (1 << 30) < 1 << 32


def test_small_probabilities_get_a_finer_step_with_room_for_twice_as_much() -> None:
    assert [out_bits(p) for p in (1.0, 0.5, 0.26, 0.25, 0.13, 0.06, 0.0)] == [8, 8, 8, 9, 9, 11, 15]


def test_the_table_starts_at_one_and_never_rises() -> None:
    values = exp_table(0.05, 10, OUT_BITS).astype(np.int64)
    assert values[0] == 1 << 23
    assert (np.diff(values) <= 0).all()
    assert values[20] == round(2**23 * np.exp(-1.0))
