# SPDX-License-Identifier: Apache-2.0
"""Two-input sums: fixed.py against e8_math.h, and both against one rounding of the rational."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from eightbit.ir.fixed import M15_BITS, mulhi, round_half_up, sum_terms, weighted_sum

INCLUDE = Path(__file__).parents[2] / "runtime_c" / "include"
C_LOOPS = """
#include "e8_math.h"
void weighted_sum(const e8_s32 *s, e8_s8 *out)
{
    for (e8_s32 a = -128; a < 128; a++)
        for (e8_s32 b = -128; b < 128; b++)
            *out++ = e8_weighted_sum_s8((e8_s8)a, (e8_s8)b, (e8_s16)s[0], (e8_s16)s[1], s[2], (e8_s16)s[3],
                                        (e8_s16)s[4], (e8_s16)s[5]);
}
"""
RATIOS = st.fractions(Fraction(1, 5000), Fraction(2000))
ZERO_POINTS = st.tuples(*[st.integers(-128, 127)] * 3)
BYTES = np.arange(-128, 128)
A, B = (grid.ravel() for grid in np.meshgrid(BYTES, BYTES, indexing="ij"))
Call = Callable[..., None]


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    folder = tmp_path_factory.mktemp("sums")
    (folder / "loops.c").write_text(C_LOOPS)
    command = ["gcc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, f"-I{INCLUDE}", folder / "loops.c", "-o", folder / "loops.so"], check=True)
    return ctypes.CDLL(str(folder / "loops.so"))


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


@given(RATIOS, RATIOS, ZERO_POINTS)
def test_a_sum_is_equal_in_c_for_every_pair_of_bytes(
    c: ctypes.CDLL, ratio_a: Fraction, ratio_b: Fraction, zps: tuple[int, int, int]
) -> None:
    terms = sum_terms(ratio_a, ratio_b, zps)
    made = np.empty(65536, np.int8)
    given_ = np.array([terms.mult_a, terms.mult_b, terms.out_c, terms.rshift, -100, 120], np.int32)
    c.weighted_sum(pointer(given_), pointer(made))
    assert np.array_equal(made, weighted_sum(A, B, terms, -100, 120))


@given(RATIOS, RATIOS, ZERO_POINTS)
def test_no_sum_leaves_32_bits_and_multipliers_fit_16(
    ratio_a: Fraction, ratio_b: Fraction, zps: tuple[int, int, int]
) -> None:
    terms = sum_terms(ratio_a, ratio_b, zps)
    assert max(terms.mult_a, terms.mult_b) < 1 << 15
    assert np.abs(A * terms.mult_a + B * terms.mult_b + terms.out_c).max() < 1 << 31
    doubled = round_half_up(max(ratio_a, ratio_b) * 2 ** (terms.rshift + 1))
    assert terms.rshift == 22 or doubled >= 1 << 15 or terms.rshift == 1


@given(st.fractions(Fraction(1, 4), Fraction(4)), st.fractions(Fraction(1, 4), Fraction(4)), ZERO_POINTS)
def test_a_sum_is_within_its_bound_of_the_exact_rational(
    ratio_a: Fraction, ratio_b: Fraction, zps: tuple[int, int, int]
) -> None:
    terms = sum_terms(ratio_a, ratio_b, zps)
    a, b = A[::97], B[::97]
    for x, y, got in zip(a.tolist(), b.tolist(), weighted_sum(a, b, terms, -128, 127).tolist(), strict=True):
        exact = (x - zps[0]) * ratio_a + (y - zps[1]) * ratio_b + zps[2]
        error = Fraction(1, 2) + Fraction(255, 1 << terms.rshift)  # one rounding, and two rounded multipliers
        assert abs(min(Fraction(127), max(Fraction(-128), exact)) - got) <= error


def test_sums_with_power_of_two_ratios_round_ties_up() -> None:
    terms = sum_terms(Fraction(1, 2), Fraction(1, 2), (0, 0, 0))
    assert weighted_sum(np.array([1, -1, 3]), np.array([0, 0, 0]), terms, -128, 127).tolist() == [1, 0, 2]


def test_a_15_bit_multiplier_needs_no_64_bit_product() -> None:
    acc = np.random.default_rng(0).integers(-(2**31), 2**31, 200_000)
    m15 = np.random.default_rng(1).integers(0, 1 << M15_BITS, 200_000)
    assert np.array_equal(mulhi(acc, m15 << 16), (acc * m15) >> 16)
