# SPDX-License-Identifier: Apache-2.0
"""Average pool: which cells a border window counts, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from eightbit import ops
from eightbit.ir.fixed import M31_BITS, M31_MAX_K, choose_shifts, rounded_multiplier, rounding_constant
from eightbit.ops.avgpool import Params, cells
from kernels.cases import (
    Case,
    Rng,
    Window,
    between,
    chance,
    make,
    order,
    requantisation,
    tensor,
    values,
    window,
    zero_point,
)  # fmt: skip

OP = ops.get("avgpool")


def region(shape: Window, include_pad: bool) -> dict[str, int]:
    """What the divisor counts: the image, or the image with its padding."""
    f = shape.fields
    if not include_pad:
        return {"count_y0": 0, "count_y1": f["in_h"], "count_x0": 0, "count_x1": f["in_w"]}
    return {
        "count_y0": -f["pad_top"], "count_y1": f["in_h"] + shape.pad_bottom,
        "count_x0": -f["pad_left"], "count_x1": f["in_w"] + shape.pad_right,
    }  # fmt: skip


def case(rng: Rng) -> Case:
    while True:
        shape, channels = window(rng, extra=0), between(rng, 1, 9)
        zp_in, include_pad = zero_point(rng), chance(rng, 0.5)
        fields = {**shape.fields, **region(shape, include_pad), "ch": channels, "zp_in": zp_in}
        most = np.array([fields["kh"] * fields["kw"] * max(128 + zp_in, 127 - zp_in)], np.int64)
        output = requantisation(rng, most, float(most[0]) / 4)
        probe = Params(**fields, counts_n=0, **output.fields)
        counts = np.unique(cells(probe, shape.out_h, shape.out_w))
        if counts[0] > 0:
            break
    if chance(rng, 0.2):
        counts = np.unique([*counts, *rng.integers(1, 99, 3)])
    mult = np.minimum(int(output.mult[0]) // counts * counts[0], 2**31 - 1)
    consts = {"counts": counts.astype(np.int16), "mult": mult.astype(np.int32)}
    params = replace(probe, counts_n=len(counts))
    x = tensor("x", (params.in_h, params.in_w, channels), order(rng))
    return make("avgpool", params, consts, [x], tensor("y", (shape.out_h, shape.out_w, channels)), rng)


def plain(include_pad: bool, size: int = 3, out: int = 3, zp: int = 0) -> Case:
    """3x3 windows with a border of one cell of padding over an image of `size` x `size`; exact averages."""
    shifts = choose_shifts(Fraction(1), M31_BITS, M31_MAX_K)
    counts = np.array([4, 6, 9], np.int16)
    mult = [rounded_multiplier(Fraction(1, int(n)), shifts) for n in counts]
    edge = 1 if include_pad else 0
    params = Params(
        in_h=size, in_w=size, ch=1, out_w=out, kh=3, kw=3, stride_y=1, stride_x=1, dil_y=1, dil_x=1, pad_top=1,
        pad_left=1, count_y0=-edge, count_y1=size + edge, count_x0=-edge, count_x1=size + edge, counts_n=3,
        zp_in=zp, acc_lshift=shifts.lshift, out_rshift=shifts.rshift, act_min=-128, act_max=127,
        out_c=rounding_constant(zp, shifts.rshift),
    )  # fmt: skip
    consts = {"counts": counts, "mult": np.array(mult, np.int32)}
    x = tensor("x", (size, size, 1))
    return make("avgpool", params, consts, [x], tensor("y", (out, out, 1)), np.random.default_rng(0))


def test_a_border_window_divides_by_the_cells_it_has() -> None:
    assert cells(plain(include_pad=False).call.params, 3, 3).tolist() == [[4, 6, 4], [6, 9, 6], [4, 6, 4]]


def test_with_the_padding_counted_every_window_has_nine_cells() -> None:
    assert cells(plain(include_pad=True).call.params, 3, 3).tolist() == [[9] * 3] * 3


def test_a_last_window_of_ceil_mode_does_not_count_beyond_the_padding() -> None:
    assert cells(plain(include_pad=True).call.params, 3, 4)[:, 3].tolist() == [6, 6, 6]


@pytest.mark.parametrize("zp", [-128, 0, 5])
def test_the_average_of_equal_cells_is_that_value(zp: int) -> None:
    made = plain(include_pad=False, zp=zp)
    for value in (-128, -1, 0, 100, 127):
        image = np.full((1, 3, 3, 1), value, np.int8)
        assert set(replace(made, arrays=(image,)).expected().ravel().tolist()) == {value}


def test_counted_padding_pulls_border_averages_towards_the_zero_point() -> None:
    image = np.full((1, 3, 3, 1), 90, np.int8)
    averages = replace(plain(include_pad=True), arrays=(image,)).expected().ravel().tolist()
    assert averages == [40, 60, 40, 60, 90, 60, 40, 60, 40]


def test_a_number_of_cells_without_a_multiplier_is_found() -> None:
    made = plain(include_pad=False)
    consts = {role: array[1:] for role, array in made.call.consts.items()}
    call = replace(made.call, consts=consts, params=replace(made.call.params, counts_n=2))
    assert OP.check(call, made.inputs, made.output) == ["a window has a number of cells without a multiplier"]


def test_random_cases_use_planes_and_values_of_both_signs() -> None:
    drawn = [case(np.random.default_rng(seed)) for seed in range(40)]
    assert {made.inputs[0].order for made in drawn} == {"HWC", "CHW"}
    assert values(np.random.default_rng(0), (50,)).min() < 0
