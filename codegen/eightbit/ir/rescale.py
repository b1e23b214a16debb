# SPDX-License-Identifier: Apache-2.0
"""What it costs to bring two tensors to the scale of a third: every pair of values against exact real arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from eightbit.ir.fixed import SumTerms, weighted_sum
from eightbit.ir.program import Tensor

Ends = tuple[int, int]  # the least and the largest value of a tensor
WHOLE = 1 << 61  # sums of what stays below fit int64


@dataclass(frozen=True)
class Rescale:
    """A call that sums two tensors in the scale of its output.

    `differing_share` of all `pairs` of values that its operands can have gives another integer than the exact real sum,
    rounded once. Operands carry a rounding noise of (s_a^2 + s_b^2) / 12; `sqnr_loss_db` is how much the noise that
    this call adds to it (the mean over the pairs that its clamp leaves alone) lowers the ratio of signal to noise.
    """

    call: str
    scale_ratios: tuple[float, float]
    multipliers: tuple[int, int]
    rshift: int
    pairs: int
    differing_share: float
    sqnr_loss_db: float

    def json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        first, second = self.scale_ratios
        share = f"{100 * self.differing_share:.3f} % of sums differ from exact ones"
        return f"{self.call}: scales {first:.3f} and {second:.3f} of the output's, {share}, -{self.sqnr_loss_db:.2f} dB"


def cost(call: str, ins: Sequence[Tensor], out: Tensor, ends: Sequence[Ends], terms: SumTerms, clamp: Ends) -> Rescale:
    """The Rescale of y = clamp((a * m1 + b * m2 + c) >> k) for operands within `ends`."""
    a, b = (grid.ravel() for grid in np.meshgrid(*(np.arange(low, high + 1) for low, high in ends), indexing="ij"))
    ratios = ins[0].ratio / out.ratio, ins[1].ratio / out.ratio
    whole = math.lcm(ratios[0].denominator, ratios[1].denominator)
    steps = [ratio.numerator * (whole // ratio.denominator) for ratio in ratios]
    kind = np.int64 if 256 * sum(steps) + whole < WHOLE else object  # beyond it, NumPy keeps Python's integers
    real = (a - ins[0].zero_point).astype(kind) * steps[0] + (b - ins[1].zero_point).astype(kind) * steps[1]
    exact = np.clip((2 * real + whole) // (2 * whole) + out.zero_point, *clamp).astype(np.int64)
    got = weighted_sum(a, b, terms, *clamp).astype(np.int64)
    free = (got > clamp[0]) & (got < clamp[1])
    error = (got - out.zero_point - (real / whole).astype(np.float64))[free]
    carried = sum(float(ratio) ** 2 for ratio in ratios) / 12  # in output steps
    added = float((error**2).mean()) if free.any() else 0.0
    return Rescale(
        call,
        (_rounded(ratios[0]), _rounded(ratios[1])),
        (terms.mult_a, terms.mult_b),
        terms.rshift,
        a.size,
        _rounded(float((got != exact).mean())),
        _rounded(10 * math.log10(1 + added / carried)),
    )


def _rounded(value: float | Fraction) -> float:
    """To six decimals: what the order of float sums may change does not reach the report."""
    return round(float(value), 6)
