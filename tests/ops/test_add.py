# SPDX-License-Identifier: Apache-2.0
"""Add: the definition against exact rationals, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from eightbit.ir.fixed import round_half_up
from eightbit.ops.add import OP, Params, terms
from kernels.cases import Case, Rng, clamp_bounds, make, sized_shape, tensor, zero_point


def case(rng: Rng) -> Case:
    shape = sized_shape(rng)
    scales = (float(np.float32(10.0 ** rng.uniform(-3, 1))) for _ in range(3))
    a, b, y = (
        tensor(name, shape, scale=scale, zero=zero_point(rng)) for name, scale in zip("aby", scales, strict=True)
    )
    low, high = clamp_bounds(rng)
    t = terms(a, b, y)
    params = Params(
        w=shape[1], ch=shape[2], mult_a=t.mult_a, mult_b=t.mult_b, sum_rshift=t.rshift, act_min=low, act_max=high,
        sum_c=t.out_c,
    )  # fmt: skip
    return make("add", params, {}, [a, b], y, rng)


def test_sums_of_equal_scales_are_sums_of_integers() -> None:
    made = case(np.random.default_rng(0))
    a, b, y = (replace(t, scale=0.5, zero_point=0, shape=(1, 1, 3)) for t in (*made.inputs, made.output))
    t = terms(a, b, y)
    params = Params(1, 3, t.mult_a, t.mult_b, t.rshift, -128, 127, t.out_c)
    exact = replace(made, call=replace(made.call, params=params), inputs=(a, b), output=y)
    arrays = tuple(np.array(v, np.int8).reshape(1, 1, 1, 3) for v in ([1, -100, 100], [2, -100, 100]))
    assert replace(exact, arrays=arrays).expected().ravel().tolist() == [3, -128, 127]


def test_results_are_one_rounding_of_the_rational_sum_of_the_multipliers() -> None:
    for seed in range(50):
        made = case(np.random.default_rng(seed))
        p = made.call.params
        a, b = (array.astype(int).ravel()[:40] for array in made.arrays)
        zps = [t.zero_point for t in (*made.inputs, made.output)]
        exact = [
            round_half_up(Fraction((x - zps[0]) * p.mult_a + (y - zps[1]) * p.mult_b, 1 << p.sum_rshift)) + zps[2]
            for x, y in zip(a.tolist(), b.tolist(), strict=True)
        ]
        assert made.expected().ravel()[:40].tolist() == np.clip(exact, p.act_min, p.act_max).tolist()


def test_terms_that_do_not_follow_from_the_scales_are_found() -> None:
    made = case(np.random.default_rng(1))
    wrong = replace(made.call, params=replace(made.call.params, sum_c=made.call.params.sum_c + 1))
    assert OP.check(made.call, made.inputs, made.output) == []
    assert OP.check(wrong, made.inputs, made.output) == [
        "multipliers, shift and constant do not follow from the scales"
    ]
