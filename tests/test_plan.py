# SPDX-License-Identifier: Apache-2.0
"""Memory plans: no two live tensors share a byte, and the bound is a bound."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

import eightbit
from eightbit import plan
from eightbit.plan import Place
from models import conv_relu, samples

LIVES = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 20), st.integers(0, 6)), min_size=1, max_size=20).map(
    lambda items: {f"t{i}": Place(0, size, first, first + length) for i, (size, first, length) in enumerate(items)}
)


@given(LIVES, st.sampled_from(plan.ORDERS))
def test_places_that_are_live_together_never_overlap(lives: dict[str, Place], order: plan.Order) -> None:
    packed = plan.pack(lives, order)
    assert packed.keys() == lives.keys()
    for a, b in combinations(packed.values(), 2):
        assert not a.meets(b) or a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


@given(LIVES, st.sampled_from(plan.ORDERS))
def test_no_packing_is_smaller_than_the_lower_bound(lives: dict[str, Place], order: plan.Order) -> None:
    bound = plan.lower_bound(lives)
    assert plan.extent(plan.pack(lives, order)) >= bound
    brute = max(sum(p.size for p in lives.values() if p.first <= step <= p.last) for step in range(27))
    assert bound == brute


def test_a_chain_is_packed_at_its_lower_bound() -> None:
    layout = eightbit.compile(conv_relu(), samples(2, 5, 5)).layout
    assert layout.optimal
    assert layout.activation_bytes == 2 * 5 * 5 + 3 * 3 * 3


def test_the_plan_with_separate_places_keeps_guard_bytes_between_all_tensors() -> None:
    build = eightbit.compile(conv_relu(), samples(2, 5, 5))
    apart = plan.plan_apart(build.program, build.selection, build.schedule, 16)
    spans = sorted({(p.offset, p.offset + p.size) for p in apart.places.values()})
    assert spans[0][0] == 16
    assert all(b[0] - a[1] == 16 for a, b in pairwise(spans))
    assert apart.activation_bytes == spans[-1][1] + 16
