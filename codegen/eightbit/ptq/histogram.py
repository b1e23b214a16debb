# SPDX-License-Identifier: Apache-2.0
"""How the float values of a tensor lie on what its s8 can hold: equal bins, and what is clipped at both ends.

Example: values of 0 to 4 in a range of 0 to 16 fill the first 8 of 32 bins; three quarters of the range are wasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eightbit.ir.fixed import S8_MAX, S8_MIN

BINS = 32
WIDTH = (S8_MAX - S8_MIN + 1) // BINS  # steps of a bin


@dataclass(frozen=True)
class Histogram:
    """Numbers of values: `counts[i]` round to the steps -128 + 8i .. -121 + 8i.

    `below` and `above` lie more than a step outside what the tensor holds: they are clipped.
    """

    below: int
    counts: tuple[int, ...]
    above: int

    @property
    def total(self) -> int:
        return self.below + sum(self.counts) + self.above

    def numbers(self) -> list[int]:
        """In order, as `of_numbers` reads them."""
        return [self.below, *self.counts, self.above]


def of_numbers(numbers: list[Any]) -> Histogram:
    """A histogram that was saved; ValueError if it is none."""
    if len(numbers) != BINS + 2 or any(type(n) is not int or n < 0 for n in numbers) or not any(numbers):
        raise ValueError(f"a histogram has {BINS + 2} numbers of values")
    return Histogram(numbers[0], tuple(numbers[1:-1]), numbers[-1])


def outside(steps: NDArray[np.float64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which values, in steps of the tensor and not rounded, are clipped: below, above."""
    return steps < S8_MIN - 1, steps > S8_MAX + 1


def count(steps: NDArray[np.float64]) -> NDArray[np.int64]:
    """[BINS]: values by bin, rounded half up; those that are clipped are in the outermost ones."""
    held = np.fmin(np.fmax(steps, S8_MIN), S8_MAX)
    codes = (held - (S8_MIN - 0.5)).astype(np.intp)  # positive, so this is the floor
    return np.bincount(codes // WIDTH, minlength=BINS)


def histogram(counted: NDArray[np.int64], below: int, above: int) -> Histogram:
    """What `count` gave, with the clipped values apart."""
    inner = [int(number) for number in counted]
    inner[0] -= below
    inner[-1] -= above
    return Histogram(below, tuple(inner), above)
