# SPDX-License-Identifier: Apache-2.0
"""Weight scales from 15-bit multipliers: exact, floored, and proven to fit."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from eightbit.ir import weights as quantiser
from eightbit.ir.fixed import activation_scale
from eightbit.ir.program import Tensor


def tensor(low: float, high: float) -> Tensor:
    scale, zero_point = activation_scale(low, high)
    return Tensor("t", (1, 1, 1), scale, zero_point, "t")


@st.composite
def layers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, Tensor, Tensor]:
    """Weights of wildly different channels, and tensors whose output is as wide as the layer allows."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    channels, taps = draw(st.integers(1, 8)), draw(st.integers(1, 40))
    gains = 10.0 ** rng.uniform(-draw(st.integers(0, 12)), 1, (channels, 1))
    w, b = rng.normal(0, 1, (channels, taps)) * gains, rng.normal(0, 1, channels) * 10.0 ** rng.uniform(-3, 2)
    x = tensor(-abs(rng.normal()) - 0.01, abs(rng.normal()) + 0.01)
    reach = float(quantiser.potential(w, b, x).max())
    y = tensor(0.0, reach * 2.0 ** -draw(st.floats(0, 15.9)))
    return w, b, x, y


@given(layers())
@settings(deadline=None)
def test_every_accumulator_fits_and_every_multiplier_has_15_bits(layer: tuple) -> None:
    w, b, x, y = layer
    q = quantiser.quantise(w, b, x, y)
    reach = np.abs(q.weights.astype(np.int64)).sum(axis=1) * max(127 - x.zero_point, x.zero_point + 128)
    assert (reach + np.abs(q.bias.astype(np.int64)) < 2 ** (31 - q.shifts.lshift)).all()
    assert (q.mult % 2**16 == 0).all()
    assert (q.mult // 2**16 >= 1).all()
    assert (q.mult // 2**16 < 2**15).all()
    assert q.shifts.rshift <= 7


@given(layers())
@settings(deadline=None)
def test_the_weight_scale_that_the_multiplier_defines_covers_the_weights_without_clipping(layer: tuple) -> None:
    w, b, x, y = layer
    q = quantiser.quantise(w, b, x, y)
    for channel, scale in enumerate(quantiser.product_scales(q.mult, q.shifts, y)):
        s_w = float(scale / x.ratio)
        assert np.abs(w[channel]).max() <= 127.5 * s_w
        assert np.abs(w[channel] - q.weights[channel] * s_w).max() <= s_w * (0.5 + 1e-9)
        assert abs(b[channel] - q.bias[channel] * float(scale)) <= float(scale) * (0.5 + 1e-6)


def test_a_layer_whose_largest_factor_is_below_a_quarter_needs_no_left_shift() -> None:
    x, y = tensor(-1, 1), tensor(-4, 4)
    q = quantiser.quantise(np.array([[1.0, -1.0], [0.25, 0.5]]), np.zeros(2), x, y)
    assert (q.shifts.lshift, q.shifts.rshift) == (0, 7)
    assert q.out_c == (y.zero_point << 7) + 64


def test_a_large_factor_takes_the_smallest_left_shift_that_serves() -> None:
    x, y = tensor(-100, 100), tensor(-1, 1)
    q = quantiser.quantise(np.array([[127.0]]), np.zeros(1), x, y)  # M = 100
    assert q.shifts.lshift == 9
    assert q.shifts.ratio(int(q.mult[0])) >= Fraction(x.scale) / Fraction(y.scale)


def test_a_dead_channel_keeps_its_bias_and_gets_zero_weights() -> None:
    x, y = tensor(-1, 1), tensor(-4, 4)
    q = quantiser.quantise(np.array([[1.0, 0.5], [2.0**-120, 0.0]]), np.array([0.0, 2.5]), x, y)
    assert not q.weights[1].any()
    assert abs(q.bias[1] * float(quantiser.product_scales(q.mult, q.shifts, y)[1]) - 2.5) < 1e-3
