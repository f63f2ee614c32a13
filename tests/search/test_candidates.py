"""Candidate splits: on the bases, between them, around the front."""

from types import ModuleType

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hierprune.pruners.allocation import sigmoid
from hierprune.search.candidates import (
    blends,
    candidates,
    costs,
    logit,
    mixtures,
    road,
    switches,
    widths_of,
)


def test_costs_of_many_are_those_of_each(toy: ModuleType) -> None:
    cost = toy.landscape("channel").cost
    widths = np.random.default_rng(0).integers(1, cost.widths + 1, (20, 4))
    for budget in ("params", "macs"):
        assert costs(cost, widths, budget).tolist() == [cost.share(w, budget) for w in widths]


def test_a_road_costs_what_it_says(toy: ModuleType) -> None:
    land = toy.landscape("channel")
    for path in land.paths.values():
        table = road(path, land.cost, "params")
        assert (np.diff(table.shares) > 0).all()
        widths = sigmoid(table.at(np.array([0.1, 0.3, 0.7]))) * land.cost.widths
        assert np.allclose(costs(land.cost, widths, "params"), [0.1, 0.3, 0.7], atol=0.03)


def test_mixtures_lie_between_two_bases_or_on_one(toy: ModuleType) -> None:
    land = toy.landscape("channel")
    roads = [road(land.paths[n, "l1"], land.cost, "params") for n in ("uniform", "lamp")]
    shares = np.linspace(0.1, 0.8, 40)
    mixed = mixtures(roads, shares, np.random.default_rng(0))
    ends = np.stack([r.at(shares) for r in roads])
    assert (mixed >= ends.min(axis=0) - 1e-9).all()
    assert (mixed <= ends.max(axis=0) + 1e-9).all()
    assert all(min(np.abs(mixed[i] - e[i]).max() for e in ends) < 1e-9 for i in range(0, 40, 2))


def test_switches_move_some_groups_up_and_others_down() -> None:
    front = np.zeros((1, 30))
    moved = switches(front, 400, np.random.default_rng(0))
    assert np.abs(moved.mean()) < 0.05
    centred = moved - np.median(moved, axis=1, keepdims=True)
    assert ((np.abs(centred) > 1e-9).sum(axis=1) <= 4).mean() > 0.2


def test_a_front_of_one_has_nothing_to_blend() -> None:
    front = np.full((1, 3), 0.7)
    assert np.allclose(blends(front, 5, np.random.default_rng(0)), 0.7)


@given(seed=st.integers(0, 1000), members=st.integers(0, 3))
def test_all_candidates_are_allowed_widths(toy: ModuleType, seed: int, members: int) -> None:
    land = toy.landscape("channel")
    roads = [road(p, land.cost, "params") for p in land.paths.values()]
    random = np.random.default_rng(seed)
    front = logit(random.random((members, 4)))
    drawn = widths_of(candidates(roads, front, (0.02, 0.9), 40, random), land.cost)
    assert len(drawn) >= 20
    assert (drawn >= land.cost.floor).all()
    assert (drawn <= land.cost.widths).all()
