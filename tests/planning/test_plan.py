# SPDX-License-Identifier: Apache-2.0
"""Memory plans: no two live tensors share a byte, and the bound is a bound."""

from __future__ import annotations

from itertools import pairwise

import eightbit
from eightbit.planning import plan
from models import conv_relu, samples


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
