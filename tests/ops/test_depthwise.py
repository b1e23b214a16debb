# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolution: the definition against convolution with groups, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eightbit import ops
from eightbit.ops.linear import WindowParams
from kernels.cases import Case, Rng, between, linear_constants, make, order, tensor, values, window, zero_point


def case(rng: Rng) -> Case:
    shape, multiplier = window(rng), int(rng.choice([1, 1, 2, 3]))
    in_ch = between(rng, 1, 40 if rng.random() < 0.3 else 9)  # more than kernels make side by side
    out_ch, zp_in = in_ch * multiplier, zero_point(rng)
    weights = values(rng, (shape.fields["kh"], shape.fields["kw"], out_ch))
    output = linear_constants(rng, weights, (0, 1), zp_in)
    channels = {"in_ch": in_ch, "out_ch": out_ch, "groups": in_ch, "zp_in": zp_in}
    params = WindowParams(**shape.fields, **channels, **output.fields)
    consts = {"weights": weights, "bias": output.bias, "mult": output.mult}
    x = tensor("x", (params.in_h, params.in_w, in_ch), order(rng))
    return make("depthwise", params, consts, [x], tensor("y", (shape.out_h, shape.out_w, out_ch)), rng)


def test_depthwise_is_convolution_with_a_group_per_input_channel() -> None:
    for seed in range(50):
        made = case(np.random.default_rng(seed))
        weights = made.call.consts["weights"].transpose(2, 0, 1)[..., None]
        call = replace(made.call, op="conv", consts={**made.call.consts, "weights": weights})
        assert ops.get("conv").check(call, made.inputs, made.output) == []
        assert np.array_equal(replace(made, call=call).expected(), made.expected())


def test_each_output_channel_reads_the_input_channel_it_belongs_to() -> None:
    params = WindowParams(
        in_h=1, in_w=1, in_ch=2, out_w=1, out_ch=4, groups=2, kh=1, kw=1, stride_y=1, stride_x=1, dil_y=1,
        dil_x=1, pad_top=0, pad_left=0, zp_in=0, acc_lshift=0, out_rshift=1, act_min=-128, act_max=127, out_c=1,
    )  # fmt: skip
    consts = {
        "weights": np.array([8, 16, 24, 32], np.int8).reshape(1, 1, 4),
        "bias": np.array([0, 0, 0, 8], np.int32),
        "mult": np.full(4, 1 << 30, np.int32),  # acc / 8
    }
    made = make("depthwise", params, consts, [tensor("x", (1, 1, 2))], tensor("y", (1, 1, 4)), np.random.default_rng(0))
    x = np.array([1, 10], np.int8).reshape(1, 1, 1, 2)
    assert replace(made, arrays=(x,)).expected().ravel().tolist() == [1, 2, 30, 41]
