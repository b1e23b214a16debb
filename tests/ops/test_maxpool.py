# SPDX-License-Identifier: Apache-2.0
"""Maximum pool: the definition against small values by hand, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eightbit.ops.maxpool import Params
from kernels.cases import Case, Rng, between, clamp_bounds, make, order, tensor, window


def case(rng: Rng) -> Case:
    shape, channels = window(rng), between(rng, 1, 9)
    low, high = clamp_bounds(rng)
    params = Params(**shape.fields, ch=channels, act_min=low, act_max=high)
    x = tensor("x", (params.in_h, params.in_w, channels), order(rng))
    return make("maxpool", params, {}, [x], tensor("y", (shape.out_h, shape.out_w, channels)), rng)


TWO_BY_TWO = Params(
    in_h=3, in_w=3, ch=1, out_w=2, kh=2, kw=2, stride_y=2, stride_x=2, dil_y=1, dil_x=1, pad_top=0, pad_left=0,
    act_min=-128, act_max=127,
)  # fmt: skip


def pool(params: Params, x: list[int], out_h: int) -> list[int]:
    image = np.array(x, np.int8).reshape(1, params.in_h, params.in_w, 1)
    output = tensor("y", (out_h, params.out_w, 1))
    made = make("maxpool", params, {}, [tensor("x", image.shape[1:])], output, np.random.default_rng(0))
    return [int(v) for v in replace(made, arrays=(image,)).expected().ravel()]


NEGATIVE = [-9, -8, -7, -6, -5, -4, -3, -2, -1]


def test_a_window_over_the_edge_takes_the_cells_it_has() -> None:
    assert pool(TWO_BY_TWO, NEGATIVE, 2) == [-5, -4, -2, -1]


def test_padding_never_wins_over_negative_cells() -> None:
    assert pool(replace(TWO_BY_TWO, pad_top=1, pad_left=1), NEGATIVE, 2) == [-9, -7, -3, -1]


def test_a_window_without_cells_gives_the_smallest_value_clamped() -> None:
    params = replace(TWO_BY_TWO, pad_top=2, pad_left=2, act_min=-100)
    assert pool(params, NEGATIVE, 2) == [-100, -100, -100, -5]


def test_a_fused_relu_clamps_the_maximum() -> None:
    assert pool(replace(TWO_BY_TWO, act_min=-4, act_max=-2), NEGATIVE, 2) == [-4, -4, -2, -2]
