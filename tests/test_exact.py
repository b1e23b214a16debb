# SPDX-License-Identifier: Apache-2.0
"""Exactness, a small part of benchmarks/exactness.py: whole accumulator intervals against exact rationals."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import eightbit
import exact
import large_factors
from eightbit.ir.fixed import M15_BITS, M15_MAX_K, choose_shifts, rounding_constant
from eightbit.ir.program import Call, Program, Tensor
from eightbit.lower.pool import Requant
from eightbit.ops import add, gap
from models import conv_relu, samples
from random_graphs import random_model

SCALES = st.floats(2.0**-12, 16.0, width=32)
ZEROS = st.integers(-128, 127)


def tensor(scale: float, zero_point: int) -> Tensor:
    return Tensor("t", (1, 1, 1), scale, zero_point, "t")


def linear(program: Program) -> exact.Compared:
    """Every channel of every linear call, over its whole interval."""
    pairs = [(call, exact.tensors(program, call), channel) for call, channel in exact.linear_channels(program)]
    return sum((exact.linear_channel(call, *ends, channel) for call, ends, channel in pairs), exact.Compared())


def gap_params(x: Tensor, y: Tensor, cells: int) -> gap.Params:
    requant = Requant(x, y, [cells])
    return gap.Params(
        cells, 1, 1, x.zero_point, requant.lshift, requant.rshift, -128, 127, requant.out_c, requant.mults[0]
    )


@given(SCALES, SCALES, st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4), ZEROS)
def test_a_15_bit_multiplier_requantises_as_the_fraction_it_defines(
    s_x: float, s_y: float, factors: list[float], zp: int
) -> None:
    largest = Fraction(max(factors)) * Fraction(s_x) / Fraction(s_y)
    shifts = choose_shifts(largest, M15_BITS, M15_MAX_K)
    params = gap.Params(1, 1, 1, 0, shifts.lshift, shifts.rshift, -128, 127, rounding_constant(zp, shifts.rshift), 1)
    limit = min(3000, (1 << (31 - shifts.lshift)) - 1)
    for factor in factors:
        m15 = max(1, int(np.ceil(float(factor / max(factors) * largest) * 2.0 ** (16 + shifts.rshift - shifts.lshift))))
        ratio = Fraction(m15, 1 << 16) * Fraction(2) ** (shifts.lshift - shifts.rshift)
        assert exact.brute(-limit, limit, ratio, m15 << 16, params, zp, Fraction(0)).differing == 0


def test_every_accumulator_of_a_small_network_is_requantised_exactly() -> None:
    found = linear(eightbit.compile(conv_relu(), samples(2, 5, 5, count=20)).program)
    assert found.values > 100_000
    assert found.differing == 0


def test_a_multiplier_one_unit_away_is_seen() -> None:
    program = eightbit.compile(conv_relu(), samples(2, 5, 5, count=20)).program
    calls = [replace(c, consts={**c.consts, "mult": c.consts["mult"] + (1 << 16)}) if c.consts else c
             for c in program.calls]  # fmt: skip
    with pytest.raises(AssertionError, match="near no boundary"):
        linear(replace(program, calls=tuple(calls)))


@given(SCALES, SCALES, st.integers(1, 60), ZEROS, ZEROS)
@settings(max_examples=60)
def test_an_average_differs_from_the_rational_only_within_its_bound(
    s_x: float, s_y: float, cells: int, zp_x: int, zp_y: int
) -> None:
    assume(s_x / s_y < 100)
    x, y = tensor(s_x, zp_x), tensor(s_y, zp_y)
    p = gap_params(x, y, cells)
    low, high = cells * (-128 - zp_x), cells * (127 - zp_x)
    bound = exact.pool_bound(max(-low, high), exact.Shifts(p.acc_lshift, p.out_rshift))
    found = exact.brute(low, high, x.ratio / y.ratio / cells, p.mult, p, zp_y, bound)
    assert found.largest <= 1
    assert bound < Fraction(1, 1000)


def test_a_difference_beyond_the_bound_is_seen() -> None:
    x, y = tensor(0.1, 3), tensor(0.07, -9)
    p = gap_params(x, y, 49)
    with pytest.raises(AssertionError, match="near no boundary"):
        exact.brute(-6000, 6000, x.ratio / y.ratio / 49, p.mult + (p.mult >> 12), p, -9, Fraction(1, 10**6))


@given(SCALES, SCALES, SCALES, ZEROS, ZEROS, ZEROS)
@settings(max_examples=40, deadline=None)
def test_every_pair_of_bytes_adds_up_within_the_bound_of_the_real_sum(
    s_a: float, s_b: float, s_y: float, zp_a: int, zp_b: int, zp_y: int
) -> None:
    a, b, y = tensor(s_a, zp_a), tensor(s_b, zp_b), tensor(s_y, zp_y)
    assume(max(s_a, s_b) / s_y < 2000)
    t = add.terms(a, b, y)
    call = Call("add", "add", add.Params(1, 1, t.mult_a, t.mult_b, t.rshift, -128, 127, t.out_c), (), "y")
    found = exact.pairs(call, a, b, y)
    assert found.values == 65_536
    assert found.largest <= max(1, int(exact.sum_bound(a, b, t.rshift) + 1))


def test_pools_of_random_graphs_are_within_their_bounds() -> None:
    found = []
    for seed in range(20_301, 20_313):
        program = eightbit.compile(*random_model(seed)[:2]).program
        pools = [call for call in program.calls if call.op in ("gap", "avgpool")]
        found += [exact.pool(call, *exact.tensors(program, call)) for call in pools]
    assert len(found) >= 3
    assert all(compared.proven for compared in found)


@pytest.mark.parametrize("op", large_factors.OPS)
@pytest.mark.parametrize("lshift", large_factors.LSHIFTS)
def test_layers_with_a_left_shift_are_exact(op: str, lshift: int) -> None:
    proto, x = large_factors.layer(op, lshift)
    program = eightbit.compile(proto, x).program
    (call,) = [call for call in program.calls if call.op == op]
    assert (call.params.acc_lshift, call.params.out_rshift) == (lshift, 1)
    assert linear(program).differing == 0


@pytest.mark.parametrize("op", large_factors.OPS)
@pytest.mark.parametrize("lshift", [1, 5, 9])
def test_the_c_of_layers_with_a_left_shift_has_the_simulators_bits(op: str, lshift: int) -> None:
    proto, x = large_factors.layer(op, lshift)
    build = eightbit.compile(proto, x)
    for given_ in (None, x):
        assert build.verify(given_).ok
