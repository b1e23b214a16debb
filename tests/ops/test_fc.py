# SPDX-License-Identifier: Apache-2.0
"""Fully connected layer: the definition against small values by hand, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eightbit import ops
from eightbit.ops.fc import Params
from kernels.cases import Case, Rng, between, linear_constants, make, sized_shape, tensor, values, zero_point


def case(rng: Rng) -> Case:
    shape, out_n, zp_in = sized_shape(rng), between(rng, 1, 20), zero_point(rng)
    weights = values(rng, (out_n, int(np.prod(shape))))
    output = linear_constants(rng, weights, (1,), zp_in)
    params = Params(in_n=weights.shape[1], out_n=out_n, zp_in=zp_in, **output.fields)
    consts = {"weights": weights, "bias": output.bias, "mult": output.mult}
    return make("fc", params, consts, [tensor("x", shape)], tensor("y", (1, 1, out_n)), rng)


def dense(weights: list[list[int]], bias: list[int], x: list[int], **fields: int) -> list[int]:
    """A layer that divides its sums by 8, rounding half up."""
    matrix = np.array(weights, np.int8)
    out_n, in_n = matrix.shape
    given = {"zp_in": 0, "acc_lshift": 0, "out_rshift": 1, "act_min": -128, "act_max": 127, "out_c": 1} | fields
    consts = {"weights": matrix, "bias": np.array(bias, np.int32), "mult": np.full(out_n, 1 << 30, np.int32)}
    params = Params(in_n=in_n, out_n=out_n, **given)
    rng = np.random.default_rng(0)
    made = make("fc", params, consts, [tensor("x", (1, 1, in_n))], tensor("y", (1, 1, out_n)), rng)
    array = np.array(x, np.int8).reshape(1, 1, 1, in_n)
    return [int(v) for v in replace(made, arrays=(array,)).expected().ravel()]


def test_a_layer_is_a_matrix_product_with_a_bias() -> None:
    assert dense([[8, 0, 16], [-8, 8, 0]], [0, 800], [5, 6, 7]) == [19, 101]


def test_both_zero_points_are_taken_off_and_put_on() -> None:
    assert dense([[8, 8]], [0], [-100, -90], zp_in=-128, out_c=(-128 << 1) + 1) == [-128 + 28 + 38]


def test_a_left_shift_multiplies_the_accumulator() -> None:
    assert dense([[1, 1]], [0], [5, 6], acc_lshift=3) == [11]


def test_results_saturate_at_the_clamp_bounds() -> None:
    assert dense([[127] * 8, [-128] * 8], [0, 0], [127] * 8, act_max=100) == [100, -128]


def test_an_input_of_another_size_is_found() -> None:
    made = case(np.random.default_rng(3))
    broken = replace(made.call, params=replace(made.call.params, in_n=made.call.params.in_n + 1))
    assert ops.get("fc").check(broken, made.inputs, made.output) != []
