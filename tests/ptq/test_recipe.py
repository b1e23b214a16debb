# SPDX-License-Identifier: Apache-2.0
"""Which steps of the recipe are taken, for given errors on the samples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eightbit.frontend import load
from eightbit.frontend import samples as sampling
from eightbit.frontend.graph import Graph
from eightbit.frontend.simplify import simplify
from eightbit.ptq import recipe
from eightbit.ptq.calibration import Calibration
from eightbit.ptq.recipe import ALLOWANCE, NOTHING, Recipe
from models import one, samples

ALL = [Recipe(e, c, a) for e in (True, False) for c in (True, False) for a in (True, False)]
GAINS = {"v": (1.0, 2.0)}


def taken(errors: dict[Recipe, float], wanted: Recipe, gains: dict[str, tuple[float, ...]]) -> tuple[Recipe, int]:
    """The steps that the recipe takes where they would lead to these errors, and how many it tried."""
    graph = simplify(load.load(one("Relu", [1, 4])))
    given_, tried = sampling.read(samples(4), {"x": (1, 4)}), list[Recipe]()

    def fake(graph: Graph, measured: Calibration, samples: sampling.Samples, steps: Recipe) -> recipe.Tried:
        tried.append(steps)
        return Calibration({str(steps): (0, 1)}), errors[steps]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "tried", fake)
        found = recipe.complete(graph, Calibration({}, gains=gains), given_, wanted)
    return next(steps for steps in ALL if str(steps) in found.ranges), len(tried)


def test_all_steps_are_taken_where_they_harm_little_or_nothing() -> None:
    for error in (0.1, 1.0, 0.999 * ALLOWANCE):
        assert taken(dict.fromkeys(ALL, error) | {NOTHING: 1.0}, Recipe(), GAINS) == (Recipe(), 2)


def test_where_all_together_harm_the_best_of_their_parts_is_taken() -> None:
    for best in ALL[1:]:
        errors = dict.fromkeys(ALL, 2.0) | {NOTHING: 1.0, best: 0.9}
        assert taken(errors, Recipe(), GAINS) == (best, 8)


def test_without_gains_there_is_nothing_to_equalise() -> None:
    assert taken(dict.fromkeys(ALL, 1.0), Recipe(), {}) == (Recipe(equalize=False), 2)


@given(st.lists(st.floats(0.01, 100), min_size=8, max_size=8), st.sampled_from(ALL))
def test_only_wanted_steps_are_taken_and_never_a_loss_beyond_the_allowance(values: list[float], wanted: Recipe) -> None:
    errors = dict(zip(ALL, values, strict=True))
    steps, _ = taken(errors, wanted, GAINS)
    assert all(getattr(wanted, name) or not chosen for name, chosen in vars(steps).items())
    assert errors[steps] <= errors[NOTHING] * ALLOWANCE
