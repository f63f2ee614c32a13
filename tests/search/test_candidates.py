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
    moved_to,
    road,
    slides,
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
    moved = switches(front, 400, np.random.default_rng(0), np.arange(30))
    assert np.abs(moved.mean()) < 0.05
    centred = moved - np.median(moved, axis=1, keepdims=True)
    assert ((np.abs(centred) > 1e-9).sum(axis=1) <= 4).mean() > 0.2


def test_groups_of_a_part_are_switched_together() -> None:
    parts = np.repeat([0, 1, 2], 10)
    moved = switches(np.zeros((1, 30)), 100, np.random.default_rng(0), parts)
    for part in range(3):
        assert np.allclose(np.ptp(moved[:, parts == part], axis=1), 0)
    assert np.ptp(moved, axis=1).max() > 0.5


def test_without_parts_nothing_is_switched(toy: ModuleType) -> None:
    land = toy.landscape("channel")
    roads = [road(land.paths["uniform", "l1"], land.cost, "params")]
    front = roads[0].at(np.array([0.2, 0.5]))
    counts = [
        len(candidates(roads, front, (0.1, 0.9), 60, np.random.default_rng(0), parts))
        for parts in (None, np.arange(4))
    ]
    assert counts == [50, 70]


def test_plans_slide_along_a_base(toy: ModuleType) -> None:
    land = toy.landscape("channel")
    table = road(land.paths["lamp", "l1"], land.cost, "params")
    front = table.at(np.array([0.3]))
    slid = slides([table], front, 200, np.random.default_rng(0))
    assert np.isfinite(slid).all()
    shares = costs(land.cost, sigmoid(slid) * land.cost.widths, "params")
    assert shares.min() < 0.25 < 0.35 < shares.max()
    order = np.argsort(shares)
    assert np.corrcoef(shares[order], slid[order].mean(axis=1))[0, 1] > 0.9


@given(seed=st.integers(0, 1000))
def test_moved_candidates_cost_what_they_should_and_keep_their_shape(
    toy: ModuleType, seed: int
) -> None:
    cost = toy.landscape("channel").cost
    random = np.random.default_rng(seed)
    logits, aims = random.normal(0, 2, (20, 4)), random.uniform(0.1, 0.9, 20)
    moved = moved_to(aims, logits, cost, "params")
    assert np.allclose(np.ptp(moved - logits, axis=1), 0)
    units = np.maximum(sigmoid(moved) * cost.widths, cost.floor)
    assert np.allclose(costs(cost, units, "params"), aims, atol=1e-3)


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
