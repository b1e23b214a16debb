# SPDX-License-Identifier: Apache-2.0
"""Permute: digits of transposes, and the cases of its kernels."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from eightbit import ops
from eightbit.ir.program import Shape
from eightbit.ops.permute import AXES, Params, digits, walk
from kernels.cases import Case, Rng, between, make, tensor


def permute(extents: list[int], axes: list[int], in_shape: Shape, out_shape: Shape, rng: Rng) -> Case:
    index = np.arange(np.prod(extents), dtype=np.int64).reshape(extents).transpose(axes)
    found = digits(index)
    assert found is not None
    params = Params(out_w=out_shape[1], out_ch=out_shape[2], extent=found[0], stride=found[1])
    return make("permute", params, {}, [tensor("x", in_shape)], tensor("y", out_shape), rng)


def folded(rng: Rng, size: int) -> Shape:
    """Any (H, W, C) of that many elements."""
    height = int(rng.choice([d for d in range(1, size + 1) if size % d == 0]))
    width = int(rng.choice([d for d in range(1, size // height + 1) if size // height % d == 0]))
    return height, width, size // height // width


def case(rng: Rng) -> Case:
    if rng.random() < 0.2:  # reversed, so that no two axes can be walked as one: all digits are in use
        extents, axes = [between(rng, 2, 3) for _ in range(AXES)], list(reversed(range(AXES)))
    else:
        extents = [between(rng, 1, 4) for _ in range(between(rng, 1, AXES))]
        axes = [int(a) for a in rng.permutation(len(extents))]
    size = int(np.prod(extents))
    return permute(extents, axes, folded(rng, size), folded(rng, size), rng)


@pytest.mark.parametrize("axes", list(permutations(range(4))))
def test_every_transpose_of_four_axes_has_digits(axes: tuple[int, ...]) -> None:
    index = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).transpose(axes)
    found = digits(index)
    assert found is not None
    assert np.array_equal(walk(Params(1, 120, *found)), index.ravel())


def test_rows_become_channels_when_an_image_is_transposed() -> None:
    made = permute([2, 3], [1, 0], (1, 2, 3), (1, 3, 2), np.random.default_rng(0))
    x = np.array([1, 2, 3, 4, 5, 6], np.int8).reshape(1, 1, 2, 3)
    assert replace(made, arrays=(x,)).expected().ravel().tolist() == [1, 4, 2, 5, 3, 6]


def test_an_order_that_is_no_transpose_has_no_digits() -> None:
    assert digits(np.array([0, 1, 3, 2, 5, 4, 7, 6])) is None
    assert digits(np.array([0, 2, 1, 3, 5, 4])) is None


def test_digits_that_visit_an_element_twice_are_found() -> None:
    made = permute([2, 3], [1, 0], (1, 2, 3), (1, 3, 2), np.random.default_rng(0))
    broken = replace(made.call, params=replace(made.call.params, stride=(0, 0, 0, 0, 1, 1)))
    assert "the digits do not visit every input element once" in ops.get("permute").check(
        broken, made.inputs, made.output
    )


def test_a_long_axis_is_split_into_digits_that_fit_16_bits() -> None:
    index = np.arange(3 * 224 * 224).reshape(3, 224 * 224).T
    found = digits(index)
    assert found is not None
    assert max(found[0]) <= 32767
    params = Params(224, 3, *found)
    assert np.array_equal(walk(params), index.ravel())
