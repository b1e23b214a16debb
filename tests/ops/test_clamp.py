# SPDX-License-Identifier: Apache-2.0
"""Clamp: the definition, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eightbit import ops
from eightbit.ops.clamp import Params
from kernels.cases import Case, Rng, clamp_bounds, make, sized_shape, tensor


def case(rng: Rng) -> Case:
    shape = sized_shape(rng)
    low, high = clamp_bounds(rng)
    params = Params(w=shape[1], ch=shape[2], act_min=low, act_max=high)
    return make("clamp", params, {}, [tensor("x", shape)], tensor("y", shape), rng)


def test_values_outside_the_bounds_become_the_bounds() -> None:
    params, shape = Params(w=1, ch=5, act_min=-3, act_max=6), (1, 1, 5)
    made = make("clamp", params, {}, [tensor("x", shape)], tensor("y", shape), np.random.default_rng(0))
    x = np.array([-128, -3, 0, 6, 127], np.int8).reshape(1, 1, 1, 5)
    assert replace(made, arrays=(x,)).expected().ravel().tolist() == [-3, -3, 0, 6, 6]


def test_another_output_scale_is_found() -> None:
    made = case(np.random.default_rng(0))
    output = replace(made.output, scale=0.5)
    assert ops.get("clamp").check(made.call, made.inputs, output) == [
        "input and output must share scale and zero point"
    ]
