# SPDX-License-Identifier: Apache-2.0
"""Packing: no two places that are live together share a byte, and the bound is a bound."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from eightbit.planning import packing
from eightbit.planning.packing import Place

LIVES = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 20), st.integers(0, 6)), min_size=1, max_size=20).map(
    lambda items: {f"t{i}": Place(0, size, first, first + length) for i, (size, first, length) in enumerate(items)}
)


@given(LIVES, st.sampled_from(packing.ORDERS))
def test_places_that_are_live_together_never_overlap(lives: dict[str, Place], order: packing.Order) -> None:
    packed = packing.pack(lives, order(lives))
    assert packed.keys() == lives.keys()
    for a, b in combinations(packed.values(), 2):
        assert not a.meets(b) or a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


@given(LIVES, st.sampled_from(packing.ORDERS))
def test_no_packing_is_smaller_than_the_lower_bound(lives: dict[str, Place], order: packing.Order) -> None:
    bound = packing.lower_bound(lives)
    assert packing.extent(packing.pack(lives, order(lives))) >= bound
    brute = max(sum(p.size for p in lives.values() if p.first <= step <= p.last) for step in range(27))
    assert bound == brute


@given(LIVES)
def test_the_company_of_a_place_is_the_bytes_of_all_that_it_meets(lives: dict[str, Place]) -> None:
    met = {name: sum(x.size for x in lives.values() if place.meets(x)) for name, place in lives.items()}
    assert packing.company(lives) == met


@given(LIVES)
@settings(deadline=None)
def test_climbing_is_never_worse_than_any_order_and_still_a_packing(lives: dict[str, Place]) -> None:
    best = packing.best_packing(lives)
    assert packing.extent(best) <= min(packing.extent(packing.pack(lives, order(lives))) for order in packing.ORDERS)
    for a, b in combinations(best.values(), 2):
        assert not a.meets(b) or a.offset + a.size <= b.offset or b.offset + b.size <= a.offset
    assert packing.best_packing(lives) == best


def test_climbing_meets_a_bound_that_every_greedy_order_misses() -> None:
    sizes = {"a": (2, 4, 7), "b": (2, 5, 7), "c": (5, 2, 4), "d": (3, 6, 9), "e": (8, 2, 5), "f": (9, 6, 6)}
    lives = {name: Place(0, *life) for name, life in sizes.items()}
    bound = packing.lower_bound(lives)
    greedy = min(packing.extent(packing.pack(lives, order(lives))) for order in packing.ORDERS)
    assert packing.extent(packing.best_packing(lives)) == bound < greedy
