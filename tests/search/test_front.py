"""Fronts, hypervolume and knees against answers that can be seen by eye or brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hierprune.search.front import (
    Axis,
    coordinates,
    hypervolume,
    knee,
    non_dominated,
    rank,
    spread_order,
)

POINTS = arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(2, 3)), elements=st.floats(0, 2)
)


@given(points=POINTS)
def test_the_front_is_what_nothing_dominates(points: np.ndarray) -> None:
    front = non_dominated(points)
    for i, p in enumerate(points):
        beaten = any(
            (q <= p).all() and ((q < p).any() or j < i) for j, q in enumerate(points) if j != i
        )
        assert front[i] == (not beaten)


@given(points=POINTS)
def test_rank_zero_is_the_front_and_ranks_have_no_gaps(points: np.ndarray) -> None:
    ranks = rank(points)
    assert set(ranks.tolist()) == set(range(ranks.max() + 1))
    assert (ranks[non_dominated(points)] == 0).all()


def test_points_that_are_not_finite_are_never_chosen() -> None:
    points = np.array([[np.nan, 0.0], [0.0, np.inf], [1.0, 1.0]])
    assert non_dominated(points).tolist() == [False, False, True]
    assert rank(points).argmin() == 2
    assert hypervolume(points) == 0.0


@given(points=arrays(np.float64, (6, 2), elements=st.integers(0, 10).map(lambda i: i / 10)))
def test_hypervolume_counts_the_cells_that_are_dominated(points: np.ndarray) -> None:
    cells = sum(
        bool(((points[:, 0] <= x / 10) & (points[:, 1] <= y / 10)).any())
        for x in range(10)
        for y in range(10)
    )
    assert hypervolume(points) == pytest.approx(cells / 100)


def test_no_points_have_no_volume() -> None:
    assert hypervolume(np.empty((0, 3))) == 0.0


def test_the_knee_is_where_the_front_bends() -> None:
    front = np.array([[0.0, 1.0], [0.1, 0.2], [0.5, 0.15], [1.0, 0.0]])
    assert knee(front) == 1
    assert knee(front * [100, 1]) == 1
    assert knee(np.array([[0.3, 0.7]])) == 0


@given(points=POINTS)
def test_spread_order_is_an_order_and_starts_far_apart(points: np.ndarray) -> None:
    order = spread_order(points)
    assert sorted(order) == list(range(len(points)))
    assert order[0] == knee(points)


def test_spread_order_takes_the_ends_before_the_middle() -> None:
    points = np.array([[i / 10, (1 - i / 10) ** 2] for i in range(11)])
    assert set(spread_order(points)[1:3]) == {0, 10}
    assert spread_order(np.empty((0, 2))) == []


def test_axes_turn_values_into_shares_of_dense() -> None:
    quality = Axis("accuracy", "maximize", dense=0.9, guess=0.1)
    loss = Axis("loss", "minimize", dense=0.5, guess=2.5)
    cost = Axis("latency", "minimize", dense=4.0)
    size = Axis("compression", "maximize", dense=1.0)
    assert [quality(0.9), quality(0.1), loss(0.5), loss(2.5)] == [0.0, 1.0, 0.0, 1.0]
    assert [cost(4.0), cost(1.0), size(1.0), size(4.0)] == [1.0, 0.25, 1.0, 0.25]
    row = {"accuracy": 0.5, "latency": 2.0, "more": 1.0}
    assert coordinates([quality, cost], [row]).tolist() == [[0.5, 0.5]]
    assert coordinates([quality, cost], []).shape == (0, 2)
