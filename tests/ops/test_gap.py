# SPDX-License-Identifier: Apache-2.0
"""Global average: the definition against small values by hand, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from eightbit.ir.fixed import M31_BITS, M31_MAX_K, choose_shifts, rounded_multiplier, rounding_constant
from eightbit.ops.gap import Params
from kernels.cases import Case, Rng, between, make, order, requantisation, sized_shape, tensor, zero_point


def case(rng: Rng) -> Case:
    shape, zp_in = sized_shape(rng, 9), zero_point(rng)
    if rng.random() < 0.2:  # sums that need more than 16 bits
        shape, zp_in = (between(rng, 17, 20), between(rng, 17, 20), 1), int(rng.choice([-128, 127]))
    most = np.array([shape[0] * shape[1] * max(128 + zp_in, 127 - zp_in)], np.int64)
    output = requantisation(rng, most, float(most[0]) / 4)
    height, width, channels = shape
    fields = {"in_h": height, "in_w": width, "ch": channels, "zp_in": zp_in, "mult": int(output.mult[0])}
    params = Params(**fields, **output.fields)
    return make("gap", params, {}, [tensor("x", shape, order(rng))], tensor("y", (1, 1, channels)), rng)


def averages(x: list[list[int]], zp_in: int = 0, zp_out: int = 0) -> list[int]:
    """The rounded mean of each channel; x is a list of pixels."""
    pixels = np.array(x, np.int8)
    shifts = choose_shifts(Fraction(1, len(x)), M31_BITS, M31_MAX_K)
    params = Params(
        in_h=len(x), in_w=1, ch=pixels.shape[1], zp_in=zp_in, acc_lshift=shifts.lshift, out_rshift=shifts.rshift,
        act_min=-128, act_max=127, out_c=rounding_constant(zp_out, shifts.rshift),
        mult=rounded_multiplier(Fraction(1, len(x)), shifts),
    )  # fmt: skip
    shape = (len(x), 1, pixels.shape[1])
    rng = np.random.default_rng(0)
    made = make("gap", params, {}, [tensor("x", shape)], tensor("y", (1, 1, shape[2])), rng)
    return [int(v) for v in replace(made, arrays=(pixels.reshape(1, *shape),)).expected().ravel()]


def test_every_channel_has_its_own_mean() -> None:
    assert averages([[1, -10], [2, -20], [3, -30], [6, -40]]) == [3, -25]


def test_halves_round_up() -> None:
    assert averages([[1, -1], [2, -2]]) == [2, -1]


def test_zero_points_of_input_and_output_are_separate() -> None:
    assert averages([[-128], [-108]], zp_in=-128, zp_out=7) == [17]
