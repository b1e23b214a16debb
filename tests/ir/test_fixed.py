# SPDX-License-Identifier: Apache-2.0
"""The arithmetic: fixed.py against e8_math.h, and both against exact rationals."""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eightbit.ir.fixed import (
    M15_BITS,
    M15_MAX_K,
    M31_BITS,
    M31_MAX_K,
    SCALE_FLOOR,
    Shifts,
    activation_scale,
    choose_shifts,
    dequantise,
    mulhi,
    quantise,
    requantise,
    round_half_up,
    rounded_multiplier,
    rounding_constant,
)  # fmt: skip

INCLUDE = Path(__file__).parents[2] / "runtime_c" / "include"
C_LOOPS = """
#include "e8_math.h"
void mulhi(long n, const e8_s32 *a, const e8_s32 *b, e8_s32 *out)
{
    for (long i = 0; i < n; i++) out[i] = e8_mulhi_s32(a[i], b[i]);
}
void clamp(long n, const e8_s32 *v, const e8_s32 *lo, const e8_s32 *hi, e8_s8 *out)
{
    for (long i = 0; i < n; i++) out[i] = e8_clamp_s8(v[i], lo[i], hi[i]);
}
void requantise(long n, const e8_s32 *acc, const e8_s32 *mult, const e8_s32 *s, e8_s8 *out)
{
    for (long i = 0; i < n; i++)
        out[i] = e8_requantise_s8(acc[i], mult[i], (e8_s16)s[0], s[1], (e8_s16)s[2], (e8_s16)s[3], (e8_s16)s[4]);
}
"""
Library = Callable[..., NDArray[Any]]
EXTREMES = np.array([-(2**31), -(2**31) + 1, -1, 0, 1, 2**31 - 1], np.int64)


@pytest.fixture(scope="module")
def c(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """c(name, dtype of the result, arrays...): a function of e8_math.h over whole arrays."""
    folder = tmp_path_factory.mktemp("math")
    source, library = folder / "loops.c", folder / "loops.so"
    source.write_text(C_LOOPS)
    command = ["gcc", "-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*command, f"-I{INCLUDE}", source, "-o", library], check=True)
    loaded = ctypes.CDLL(str(library))

    def run(name: str, kind: type[np.generic], *arrays: NDArray[Any]) -> NDArray[Any]:
        given = [np.ascontiguousarray(array, np.int32) for array in arrays]
        out = np.empty(given[0].size, kind)
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (*given, out)]
        getattr(loaded, name)(ctypes.c_long(out.size), *pointers)
        return out

    return run


def random_s32(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """All magnitudes alike, so that small and large values meet."""
    return rng.integers(-(2**31), 2**31, n) >> rng.integers(0, 32, n)


def c_requantise(
    c: Library, acc: NDArray[Any], mult: NDArray[Any], shifts: Shifts, out_c: int, low: int, high: int
) -> NDArray[Any]:
    acc, mult = np.broadcast_arrays(acc, mult)
    settings_ = np.array([shifts.lshift, out_c, shifts.rshift, low, high])
    return c("requantise", np.int8, acc, mult, settings_)


def exactly(acc: int, mult: int, shifts: Shifts, zero_point: int) -> int:
    """floor(acc * ratio + zp + 1/2), saturated: one rounding of the rational result."""
    return min(127, max(-128, round_half_up(acc * shifts.ratio(mult) + zero_point)))


def test_mulhi_is_the_floor_of_the_high_half_in_python_and_c(c: Library) -> None:
    rng = np.random.default_rng(0)
    pairs = np.array(np.meshgrid(EXTREMES, EXTREMES)).reshape(2, -1)
    a, b = np.concatenate([pairs, [random_s32(rng, 200_000), random_s32(rng, 200_000)]], axis=1)
    assert np.array_equal(mulhi(a, b), c("mulhi", np.int32, a, b))
    for x, y, high in zip(a[:2000].tolist(), b[:2000].tolist(), mulhi(a, b)[:2000].tolist(), strict=True):
        assert high == x * y // 2**32


def test_clamp_is_right_for_every_pair_of_bounds(c: Library) -> None:
    v = np.array([*range(-300, 301), *EXTREMES], np.int64)
    low, high = np.array([(lo, hi) for lo in range(-128, 128, 3) for hi in range(lo, 128, 3)], np.int64).T
    values, lows, highs = (np.tile(v, low.size), np.repeat(low, v.size), np.repeat(high, v.size))
    assert np.array_equal(c("clamp", np.int8, values, lows, highs), np.clip(values, lows, highs))


@pytest.mark.parametrize("rshift", range(1, M31_MAX_K + 1))
def test_requantise_is_equal_in_c_for_every_product_of_two_bytes(c: Library, rshift: int) -> None:
    acc = np.arange(-255 * 128, 255 * 128 + 1, dtype=np.int64)
    rng = np.random.default_rng(rshift)
    for zero_point in (-128, 0, 127):
        for mult in (0, 1, 2**31 - 1, int(rng.integers(0, 2**31)), int(rng.integers(0, 2**15)) << 16):
            shifts, out_c = Shifts(int(rng.integers(0, 16)), rshift), rounding_constant(zero_point, rshift)
            expected = requantise(acc, mult, shifts, out_c, -128, 127)
            got = c_requantise(c, acc, np.array(mult), shifts, out_c, -128, 127)
            assert np.array_equal(expected, got), (shifts, mult, zero_point)


@pytest.mark.parametrize("lshift", [0, 1, 3, 9, 16])
def test_requantise_rounds_once_half_up_over_its_whole_range(c: Library, lshift: int) -> None:
    rng = np.random.default_rng(lshift)
    most = (1 << (31 - lshift)) - 1
    for rshift in (1, 2, 7, 15, 22, 23):
        shifts, zero_point = Shifts(lshift, rshift), int(rng.integers(-128, 128))
        out_c = rounding_constant(zero_point, rshift)
        acc = np.concatenate([[-most, most, 0, 1, -1], rng.integers(-most, most + 1, 400)]) >> rng.integers(0, 30)
        mult = rng.choice([2**31 - 1, 0, 1, *rng.integers(0, 2**31, 5), *rng.integers(1, 2**15, 5) << 16], acc.size)
        low, high = sorted(rng.integers(-128, 128, 2).tolist())
        got = requantise(acc, mult, shifts, out_c, low, high)
        exact = [exactly(a, m, shifts, zero_point) for a, m in zip(acc.tolist(), mult.tolist(), strict=True)]
        assert got.tolist() == np.clip(exact, low, high).tolist()
        assert np.array_equal(got, c_requantise(c, acc, mult, shifts, out_c, low, high))


def test_the_extremes_of_the_contract_stay_within_32_bits() -> None:
    for rshift in range(1, M31_MAX_K + 1):
        for zero_point in (-128, 127):
            for acc in (-(2**31) + 1, 2**31 - 1):
                total = (acc * (2**31 - 1) >> 32) + rounding_constant(zero_point, rshift)
                assert -(2**31) <= total < 2**31


def test_a_shift_of_24_would_leave_32_bits() -> None:
    assert ((-(2**31) + 1) * (2**31 - 1) >> 32) + rounding_constant(-128, M31_MAX_K + 1) < -(2**31)


def test_exact_halves_go_up() -> None:
    shifts = Shifts(0, 1)
    acc, out_c = np.array([-12, -4, 4, 12], np.int64), rounding_constant(0, 1)
    assert requantise(acc, 1 << 30, shifts, out_c, -128, 127).tolist() == [-1, 0, 1, 2]


scales = st.builds(
    lambda numerator, exponent: Fraction(numerator) * Fraction(2) ** exponent,
    st.integers(1, 2**48),
    st.integers(-110, -42),
)
kinds = st.sampled_from([(M15_BITS, M15_MAX_K), (M31_BITS, M31_MAX_K), (M15_BITS, M31_MAX_K)])


def multiplier(largest: Fraction, bits: int, shifts: Shifts) -> int:
    """The multiplier of `bits` bits that stands for `largest`: mult * 2^(l-32-k) with its low bits zero."""
    return math.ceil(largest * Fraction(2) ** (bits + 1 + shifts.rshift - shifts.lshift))


@given(scales, kinds)
@settings(max_examples=600, deadline=None, derandomize=True)
def test_shifts_are_the_finest_for_which_the_multiplier_fits(largest: Fraction, kind: tuple[int, int]) -> None:
    bits, max_k = kind
    shifts = choose_shifts(largest, bits, max_k)
    assert shifts.lshift >= 0
    assert 1 <= shifts.rshift <= max_k
    assert multiplier(largest, bits, shifts) < 1 << bits
    assert shifts.lshift == 0 or shifts.rshift == 1
    fits_without_a_left_shift = multiplier(largest, bits, Shifts(0, 1)) < 1 << bits
    assert (shifts.lshift == 0) == fits_without_a_left_shift
    if shifts.lshift:
        assert multiplier(largest, bits, Shifts(shifts.lshift - 1, 1)) >= 1 << bits
    elif shifts.rshift < max_k:
        assert multiplier(largest, bits, Shifts(0, shifts.rshift + 1)) >= 1 << bits


@given(scales)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_there_is_a_left_shift_exactly_from_a_quarter_on(largest: Fraction) -> None:
    step = Fraction(1, 2 ** (M15_BITS + 2))  # ceil may reach 2^15 within one step of it
    shifts = choose_shifts(largest, M15_BITS, M15_MAX_K)
    if largest <= Fraction(1, 4) - step:
        assert shifts.lshift == 0
    elif largest >= Fraction(1, 4):
        assert shifts.lshift > 0


@pytest.mark.parametrize("bits", [M15_BITS, M31_BITS])
@pytest.mark.parametrize(
    ("largest", "lshift"),
    [("0", 0), ("1/1000000000000", 0), ("1/5", 0), ("1/4", 1), ("1", 3), ("53/25", 4), ("63", 8), ("64", 9)],
)
def test_left_shifts_are_those_of_the_definition(bits: int, largest: str, lshift: int) -> None:
    assert choose_shifts(Fraction(largest), bits, M15_MAX_K).lshift == lshift


def test_the_ceil_step_takes_one_shift_more() -> None:
    largest = Fraction(2**17 - 1, 2**19)  # just below 1/4: ceil(M * 2^17) is 2^15
    assert choose_shifts(largest, M15_BITS, M15_MAX_K) == Shifts(1, 1)
    assert choose_shifts(Fraction(2**15 - 1, 2**17), M15_BITS, M15_MAX_K) == Shifts(0, 1)


@pytest.mark.parametrize("exponent", range(-13, 7))
def test_powers_of_two_use_their_whole_multiplier(exponent: int) -> None:
    largest = Fraction(2) ** exponent
    for bits, max_k in ((M15_BITS, M15_MAX_K), (M31_BITS, M31_MAX_K)):
        shifts = choose_shifts(largest, bits, max_k)
        mult = multiplier(largest, bits, shifts)
        assert shifts.ratio(mult << (31 - bits)) == largest


def test_the_scale_floor_leaves_a_multiplier_of_15_bits() -> None:
    shifts = choose_shifts(SCALE_FLOOR, M15_BITS, M15_MAX_K)
    assert multiplier(SCALE_FLOOR, M15_BITS, shifts) >= 1


@given(scales)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_rounded_multiplier_is_within_half_a_step_and_fits_31_bits(ratio: Fraction) -> None:
    shifts = choose_shifts(ratio, M31_BITS, M31_MAX_K)
    mult = rounded_multiplier(ratio, shifts)
    assert 0 <= mult < 2**31
    assert abs(shifts.ratio(mult) - ratio) <= shifts.ratio(1) / 2


@pytest.mark.parametrize("scale", [2.0**-7, float(np.float32(0.1)), 3.0])
def test_every_byte_survives_dequantise_and_quantise(scale: float) -> None:
    q = np.arange(-128, 128).astype(np.int8)
    for zero_point in range(-128, 128):
        assert np.array_equal(quantise(dequantise(q, scale, zero_point), scale, zero_point), q)


def test_quantise_rounds_half_up_and_saturates() -> None:
    x = np.array([-1.5, -0.5, 0.5, 1.5, 1e9, -1e9])
    assert quantise(x, 1.0, 0).tolist() == [-1, 0, 1, 2, 127, -128]


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_a_range_and_zero_are_covered_to_within_a_step(low: float, width: float) -> None:
    scale, zero_point = activation_scale(low, low + width)
    assert scale == float(np.float32(scale))
    assert -128 <= zero_point <= 127
    slack = scale * 0.501
    assert (-128 - zero_point) * scale <= min(low, 0.0) + slack
    assert (127 - zero_point) * scale >= max(low + width, 0.0) - slack


def test_an_empty_range_has_a_scale_that_can_be_divided_by() -> None:
    assert activation_scale(0.0, 0.0) == (1.0, 0)
    assert activation_scale(0.0, 1e-45) == (1.0, 0)
