# SPDX-License-Identifier: Apache-2.0
"""Convolution: the definition against small values by hand, and the cases that its kernels must pass."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eightbit import ops
from eightbit.ops.linear import WindowParams
from kernels.cases import Case, Rng, between, linear_constants, make, order, tensor, values, window, zero_point

OP = ops.get("conv")


def case(rng: Rng) -> Case:
    """Any geometry, groups and planes; weights down to -128, which no quantiser makes but the contract allows."""
    shape, groups = window(rng), int(rng.choice([1, 1, 1, 2, 3]))
    depth, outs = between(rng, 1, 5), between(rng, 1, 4)
    if rng.random() < 0.3:  # more than kernels make side by side
        depth, outs = between(rng, 1, 40), between(rng, 1, 40)
    in_ch, out_ch, zp_in = groups * depth, groups * outs, zero_point(rng)
    weights = values(rng, (out_ch, shape.fields["kh"], shape.fields["kw"], depth))
    output = linear_constants(rng, weights, (1, 2, 3), zp_in)
    channels = {"in_ch": in_ch, "out_ch": out_ch, "groups": groups, "zp_in": zp_in}
    params = WindowParams(**shape.fields, **channels, **output.fields)
    consts = {"weights": weights, "bias": output.bias, "mult": output.mult}
    x = tensor("x", (params.in_h, params.in_w, in_ch), order(rng))
    return make("conv", params, consts, [x], tensor("y", (shape.out_h, shape.out_w, out_ch)), rng)


IDENTITY = {"acc_lshift": 0, "out_rshift": 1, "act_min": -128, "act_max": 127, "out_c": 1}
HALVES = 1 << 30  # with k = 1: mulhi takes a quarter, half of it rounded half up: acc / 8
PLAIN = WindowParams(
    in_h=3, in_w=3, in_ch=1, out_w=3, out_ch=1, groups=1, kh=3, kw=3, stride_y=1, stride_x=1, dil_y=1, dil_x=1,
    pad_top=1, pad_left=1, zp_in=0, **IDENTITY,
)  # fmt: skip


def convolve(params: WindowParams, weights: list[int], x: list[int], out_h: int, bias: int = 0) -> list[int]:
    """One channel in, one out, written as flat lists."""
    consts = {
        "weights": np.array(weights, np.int8).reshape(1, params.kh, params.kw, 1),
        "bias": np.array([bias], np.int32),
        "mult": np.array([HALVES], np.int32),
    }
    shape = (out_h, params.out_w, 1)
    image = np.array(x, np.int8).reshape(1, params.in_h, params.in_w, 1)
    rng = np.random.default_rng(0)
    made = make("conv", params, consts, [tensor("x", image.shape[1:])], tensor("y", shape), rng)
    return [int(v) for v in replace(made, arrays=(image,)).expected().ravel()]


def test_a_kernel_of_ones_sums_its_neighbours_and_leaves_out_the_padding() -> None:
    sums = convolve(PLAIN, [8] * 9, [1, 2, 3, 4, 5, 6, 7, 8, 9], 3)
    assert sums == [12, 21, 16, 27, 45, 33, 24, 39, 28]


def test_padding_stands_for_the_zero_point() -> None:
    sums = convolve(replace(PLAIN, zp_in=-3), [8] * 9, [-3] * 9, 3, bias=80)
    assert sums == [10] * 9


def test_halves_round_up_on_both_sides_of_zero() -> None:
    pixel = replace(PLAIN, in_h=1, kh=1, kw=1, pad_top=0, pad_left=0)
    assert convolve(pixel, [4], [1, -1, -3], 1) == [1, 0, -1]


def test_dilation_and_stride_pick_the_taps_they_name() -> None:
    params = replace(PLAIN, in_w=5, out_w=1, kh=1, dil_x=2, stride_x=3, pad_top=0, pad_left=0, in_h=1)
    assert convolve(params, [8, 16, 24], [1, 50, 2, 50, 3], 1) == [1 + 4 + 9]


def test_the_clamp_bounds_hold_the_result() -> None:
    params = replace(PLAIN, act_min=15, act_max=30)
    assert convolve(params, [8] * 9, [1, 2, 3, 4, 5, 6, 7, 8, 9], 3) == [15, 21, 16, 27, 30, 30, 24, 30, 28]


def test_groups_do_not_mix() -> None:
    params = replace(PLAIN, in_h=1, in_w=1, in_ch=2, out_w=1, out_ch=2, groups=2, kh=1, kw=1, pad_top=0, pad_left=0)
    consts = {
        "weights": np.array([8, 16], np.int8).reshape(2, 1, 1, 1),
        "bias": np.zeros(2, np.int32),
        "mult": np.full(2, HALVES, np.int32),
    }
    made = make("conv", params, consts, [tensor("x", (1, 1, 2))], tensor("y", (1, 1, 2)), np.random.default_rng(0))
    x = np.array([10, 20], np.int8).reshape(1, 1, 1, 2)
    assert replace(made, arrays=(x,)).expected().ravel().tolist() == [10, 40]


@pytest.mark.parametrize("field", ["groups", "in_h", "in_ch"])
def test_params_that_do_not_fit_the_tensors_are_found(field: str) -> None:
    made = case(np.random.default_rng(1))
    broken = replace(made.call, params=replace(made.call.params, **{field: 7}))
    assert OP.check(broken, made.inputs, made.output) != []
