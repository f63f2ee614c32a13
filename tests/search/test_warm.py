"""The first trials see every allocation, criterion and granularity, and all densities."""

import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.warm import LEVELS, base_choices, van_der_corput, warm_starts


@pytest.mark.parametrize("granularities", [("channel",), ("weight",), ("channel", "weight")])
@pytest.mark.parametrize("kind", ["hierarchical", "global"])
def test_every_prefix_covers_all_choices_evenly(
    toy: ModuleType, kind: str, granularities: tuple[str, ...]
) -> None:
    criteria = {g: ("activation", "l1") for g in granularities}
    space = toy.make_space(kind=kind, granularities=granularities, criteria=criteria)
    points = warm_starts(space, 10_000)
    choices = [tuple(v for k, v in p.items() if not k.endswith(".density")) for p in points]
    bases = [tuple(fixed.values()) for _, fixed in base_choices(space)]
    assert len(points) == LEVELS * len(bases)
    for n in range(1, len(points) + 1):
        counts = [choices[:n].count(base) for base in bases]
        assert max(counts) - min(counts) <= 1


def test_densities_reach_from_end_to_end(toy: ModuleType) -> None:
    space = toy.make_space(min_density=0.01, max_density=1.0)
    shares = [1 + math.log10(p["channel.density"]) / 2 for p in warm_starts(space, 100)]
    assert sorted(set(np.round(shares, 9))) == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75]


@given(n_trials=st.integers(0, 200))
def test_they_take_half_of_the_trials_at_most_and_begin_alike(
    toy: ModuleType, n_trials: int
) -> None:
    space = toy.make_space()
    points = warm_starts(space, n_trials)
    assert len(points) <= n_trials // 2
    assert points == warm_starts(space, 1000)[: len(points)]


def test_a_flat_space_has_none(toy: ModuleType) -> None:
    assert warm_starts(toy.make_space(kind="flat"), 100) == []


def test_they_are_plans_without_local_offsets(toy: ModuleType) -> None:
    space = toy.make_space(granularities=("channel", "weight"))
    for point in warm_starts(space, 100):
        plan = space.plan(point)
        asked = point[f"{plan.granularity}.density"]
        assert plan.granularity == point["granularity"]
        assert plan.allocation == point[f"{plan.granularity}.allocation"]
        assert 1 - plan.ratio == pytest.approx(asked, abs=0.02)


@given(index=st.integers(1, 2**20))
def test_van_der_corput_mirrors_the_digits(index: int) -> None:
    digits = format(index, "b")
    assert van_der_corput(index) == int(digits[::-1], 2) / 2 ** len(digits)
