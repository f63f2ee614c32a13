"""Ladders, and who goes up them first."""

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.front import coordinates, non_dominated
from hierprune.search.rungs import Finished, Rungs, promotable

VALUES = st.tuples(st.integers(0, 9), st.integers(1, 9)).map(
    lambda v: {"accuracy": v[0] / 10, "params": v[1] / 10}
)


@pytest.mark.parametrize(
    ("epochs", "ladder"), [(0, (0,)), (1, (0, 1)), (4, (0, 1, 4)), (10, (0, 2.5, 10))]
)
def test_ladders_grow_by_four(epochs: float, ladder: tuple[float, ...]) -> None:
    rungs = Rungs(epochs, 100)
    assert rungs.epochs == ladder
    assert rungs.sizes[0] == 100
    assert len(rungs.sizes) == len(ladder)


@given(epochs=st.floats(0, 500), n_trials=st.integers(1, 5000))
def test_rungs_narrow_as_they_get_dearer(epochs: float, n_trials: int) -> None:
    rungs = Rungs(epochs, n_trials)
    assert list(rungs.epochs) == sorted(set(rungs.epochs))
    assert rungs.epochs[0] == 0
    assert rungs.epochs[-1] == epochs
    assert list(rungs.sizes) == sorted(rungs.sizes, reverse=True)
    assert min(rungs.sizes) >= 1


@given(rows=st.lists(VALUES, max_size=12))
def test_everyone_stands_in_line_once_and_the_front_stands_first(
    toy: ModuleType, rows: list[dict[str, float]]
) -> None:
    goal = toy.make_goal()
    order = promotable([Finished(10 + i, v) for i, v in enumerate(rows)], goal)
    assert sorted(order) == list(range(10, 10 + len(rows)))
    front = non_dominated(coordinates(goal.axes, rows))
    best = {tuple(rows[i].values()) for i in range(len(rows)) if front[i]}
    assert {tuple(rows[n - 10].values()) for n in order[: int(front.sum())]} <= best


def test_cheap_plans_go_up_before_those_that_break_a_constraint_on_a_cost(
    toy: ModuleType,
) -> None:
    goal = toy.make_goal("params <= 0.3", "accuracy >= dense")
    trials = [
        Finished(0, {"accuracy": 0.9, "params": 0.8}),
        Finished(1, {"accuracy": 0.5, "params": 0.2}),
        Finished(2, {"accuracy": 0.6, "params": 0.3}),
        Finished(3, {"accuracy": 0.4, "params": 0.25}),
    ]
    order = promotable(trials, goal)
    assert set(order[:2]) == {1, 2}
    assert order[2:] == [3, 0]


def test_values_without_a_finite_coordinate_come_last(toy: ModuleType) -> None:
    broken = {"accuracy": float("-inf"), "params": 0.1}
    trials = [Finished(i, broken) for i in range(2)] + [Finished(2, {"accuracy": 0.1, "params": 1})]
    assert promotable(trials, toy.make_goal()) == [2, 0, 1]


def test_plans_near_a_constraint_on_quality_go_up_first(toy: ModuleType) -> None:
    goal = toy.make_goal("accuracy >= dense - 0.1")
    values = [(0.1, 0.01), (0.3, 0.05), (0.75, 0.2), (0.79, 0.4), (0.85, 0.6), (0.89, 0.9)]
    trials = [Finished(i, {"accuracy": a, "params": p}) for i, (a, p) in enumerate(values)]
    order = promotable(trials, goal)
    assert set(order[:2]) == {4, 5}
    assert order[2:] == [3, 2, 1, 0]
