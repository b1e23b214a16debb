# SPDX-License-Identifier: Apache-2.0
"""Weights, bias and multipliers of a linear layer, with scales that 15-bit multipliers define.

Integers come first: l and k from the layer's largest factor M = s_x * s_w / s_y, then per channel
m15 = ceil(M * 2^(k+16-l)) < 2^15, and only then the weight scale s_w = m15 * 2^(l-16-k) * s_y / s_x.
The requantisation is exact by construction. Scales are raised where a channel is nearly dead.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.fixed import M15_BITS, M15_MAX_K, SCALE_FLOOR, Shifts, choose_shifts, rounding_constant
from eightbit.ir.program import Tensor

W_MAX = 127
POTENTIAL_BITS = 24  # an output scale is at least 2^-24 of what the layer could ever reach

Float = NDArray[np.float64]


def nearest(exact: Float) -> Float:
    return np.asarray(np.rint(exact))


def other(exact: Float) -> Float:
    """The neighbour that is not the nearest; an integer has none but itself."""
    near = nearest(exact)
    return np.asarray(near + np.sign(exact - near))


@dataclass(frozen=True)
class Quantised:
    """Integers of a linear layer; weights have the shape they came in, channels first."""

    weights: NDArray[np.int8]
    exact: Float  # weights in steps, before rounding
    bias: NDArray[np.int32]
    mult: NDArray[np.int32]
    shifts: Shifts
    out_c: int


def potential(weights: Float, bias: Float, x: Tensor) -> Float:
    """Per channel the largest |y| that any input could give: sum(|w|) * max|x| + |b|."""
    largest = x.scale * max(127 - x.zero_point, x.zero_point + 128)
    return np.asarray(np.abs(weights).reshape(len(weights), -1).sum(axis=1) * largest + np.abs(bias))


def scale_floor(reach: float) -> float:
    """The smallest output scale for a layer that could reach `reach`: its accumulators then fit 32 bits."""
    return float(np.float32(reach * 2.0**-POTENTIAL_BITS))


def quantise(weights: Float, bias: Float, x: Tensor, y: Tensor, moved: NDArray[np.bool_] | None = None) -> Quantised:
    """Quantise `weights` [channels, ...] and `bias` [channels] for input x and output y.

    Weights are rounded to the nearest integer, and to the neighbour on their other side where `moved`.
    """
    rows = weights.reshape(len(weights), -1)
    ratio = x.scale / y.scale
    natural = np.abs(rows).max(axis=1, initial=0.0) / W_MAX * ratio
    reach = potential(weights, bias, x) / y.scale
    factors, shifts = _floored(natural, np.abs(bias) / y.scale, reach)
    m15 = np.maximum(1, np.ceil(factors * 2.0 ** (shifts.rshift + M15_BITS + 1 - shifts.lshift))).astype(np.int64)
    product_scale = m15 * 2.0 ** (shifts.lshift - 16 - shifts.rshift) * y.scale  # s_x * s_w
    exact = (rows / (product_scale / x.scale)[:, None]).reshape(weights.shape)
    integers = nearest(exact) if moved is None else np.where(moved.reshape(weights.shape), other(exact), nearest(exact))
    return Quantised(
        weights=np.clip(integers, -W_MAX, W_MAX).astype(np.int8),
        exact=exact,
        bias=np.rint(bias / product_scale).astype(np.int32),
        mult=(m15 << 16).astype(np.int32),
        shifts=shifts,
        out_c=rounding_constant(y.zero_point, shifts.rshift),
    )


def _floored(natural: Float, bias: Float, reach: Float) -> tuple[Float, Shifts]:
    """Factors M per channel, raised until |b| / (s_x s_w) <= 2^(29-l), M >= 2^-13 and |acc| < 2^(30-l).

    `bias` and `reach` are in output steps. A larger M needs a larger l, which raises the floors again; they stay
    far below the largest M, so this ends.
    """
    factors = np.maximum(natural, float(SCALE_FLOOR))
    while True:
        shifts = choose_shifts(Fraction(float(factors.max())), M15_BITS, M15_MAX_K)
        floors = np.maximum(bias * 2.0 ** (shifts.lshift - 29), reach * 2.0 ** (shifts.lshift - 30))
        raised = np.maximum(factors, floors)
        if (raised == factors).all():
            return factors, shifts
        factors = raised


def product_scales(mult: NDArray[np.int32], shifts: Shifts, y: Tensor) -> list[Fraction]:
    """s_x * s_w of every channel, exactly: what one accumulator step is worth."""
    return [shifts.ratio(int(m)) * y.ratio for m in mult]
