# SPDX-License-Identifier: Apache-2.0
"""Pack places with known lifetimes into as few bytes as possible.

The lower bound is the most bytes that are live at one step: no packing can be smaller. Several greedy orders are
tried until one meets it; where none does, hill-climbing over the order of the best goes on from there.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

SWAPS = 2000  # tries of the hill-climbing: below a second for a hundred tensors
PLACINGS = 500_000  # of one tensor each, in all tries together


@dataclass(frozen=True)
class Place:
    """Bytes offset .. offset+size-1, live from step `first` to step `last`.

    Step 0 is the caller filling the inputs, step i the i-th launch; after the last one the caller reads.
    """

    offset: int
    size: int
    first: int
    last: int

    def meets(self, other: Place) -> bool:
        return self.first <= other.last and other.first <= self.last


def lower_bound(lives: Mapping[str, Place]) -> int:
    """The most bytes live at one step."""
    change = Counter[int]()
    for life in lives.values():
        change[life.first] += life.size
        change[life.last + 1] -= life.size
    return max(accumulate(change[step] for step in sorted(change)), default=0)


def company(lives: Mapping[str, Place]) -> dict[str, int]:
    """The bytes of all that each place meets, itself included: all that began by its end, less what ended before it."""
    begun, ended = Counter[int](), Counter[int]()
    for life in lives.values():
        begun[life.first] += life.size
        ended[life.last] += life.size
    steps = range(min((life.first for life in lives.values()), default=0), max(ended, default=-1) + 1)
    by = dict(zip(steps, accumulate(begun[step] for step in steps), strict=True))
    before = dict(zip(steps, accumulate(ended[step - 1] for step in steps), strict=True))
    return {name: by[life.last] - before[life.first] for name, life in lives.items()}


def _by_company(lives: Mapping[str, Place]) -> list[str]:
    bytes_met = company(lives)
    return sorted(lives, key=lambda name: -bytes_met[name])


Order = Callable[[Mapping[str, Place]], Sequence[str]]
ORDERS: tuple[Order, ...] = (
    lambda lives: sorted(lives, key=lambda name: -lives[name].size),
    lambda lives: sorted(lives, key=lambda name: (lives[name].first, -lives[name].size)),
    lambda lives: sorted(lives, key=lambda name: (-lives[name].last, -lives[name].size)),
    _by_company,
)


def best_packing(lives: Mapping[str, Place]) -> dict[str, Place]:
    """The first packing that meets the lower bound; else the best of all orders, improved by climbing from it."""
    bound, best = lower_bound(lives), dict[str, Place]()
    for order in ORDERS:
        found = pack(lives, order(lives))
        if not best or extent(found) < extent(best):
            best, start = found, list(order(lives))
        if extent(best) == bound:
            return best
    return climb(lives, start, bound)


def climb(lives: Mapping[str, Place], order: list[str], bound: int) -> dict[str, Place]:
    """Swap two places of the order, keep what is no worse, until the bound is met or the tries are over."""
    choose, best = random.Random(0), pack(lives, order)  # a fixed seed: the same plan every time
    for _ in range(min(SWAPS, PLACINGS // len(order)) if len(order) > 1 else 0):
        i, j = choose.sample(range(len(order)), 2)
        order[i], order[j] = order[j], order[i]
        found = pack(lives, order)
        if extent(found) > extent(best):
            order[i], order[j] = order[j], order[i]
            continue
        best = found
        if extent(best) == bound:
            break
    return best


def pack(lives: Mapping[str, Place], order: Sequence[str]) -> dict[str, Place]:
    """In the given order, each place at the lowest offset where it meets nothing that is live with it."""
    placed: dict[str, Place] = {}
    live, begun = defaultdict[int, list[Place]](list), defaultdict[int, list[Place]](list)  # at a step, of those placed
    for name in order:
        life, offset = lives[name], 0
        later = range(life.first + 1, life.last + 1)
        rivals = [*live[life.first], *(place for step in later for place in begun[step])]
        for rival in sorted(rivals, key=lambda p: p.offset):
            if offset + life.size <= rival.offset:
                break
            offset = max(offset, rival.offset + rival.size)
        placed[name] = place = Place(offset, life.size, life.first, life.last)
        begun[life.first].append(place)
        for step in (life.first, *later):
            live[step].append(place)
    return placed


def extent(places: Mapping[str, Place]) -> int:
    return max((place.offset + place.size for place in places.values()), default=0)
