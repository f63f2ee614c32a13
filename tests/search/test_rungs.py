"""Ladders, and who goes up them first."""

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.front import coordinates, non_dominated
from hierprune.search.history import Record
from hierprune.search.rungs import (
    SHARE,
    WIDEST,
    Agreement,
    Agreements,
    Finished,
    Rungs,
    ranked,
)

VALUES = st.tuples(st.integers(0, 9), st.integers(1, 9)).map(
    lambda v: {"accuracy": v[0] / 10, "params": v[1] / 10}
)


@pytest.mark.parametrize(
    ("epochs", "ladder"), [(0, (0,)), (1, (0, 1)), (4, (0, 1, 4)), (10, (0, 2.5, 10))]
)
def test_ladders_grow_by_four(epochs: float, ladder: tuple[float, ...]) -> None:
    rungs = Rungs(epochs, 100)
    assert rungs.epochs == ladder
    assert rungs.sizes(100)[0] == 100
    assert len(rungs.sizes(100)) == len(ladder)


@given(epochs=st.floats(0, 500), n_trials=st.integers(1, 5000))
def test_rungs_narrow_as_they_get_dearer(epochs: float, n_trials: int) -> None:
    rungs = Rungs(epochs, n_trials)
    assert list(rungs.epochs) == sorted(set(rungs.epochs))
    assert rungs.epochs[0] == 0
    assert rungs.epochs[-1] == epochs
    sizes = rungs.sizes(n_trials)
    assert list(sizes) == sorted(sizes, reverse=True)
    assert min(sizes) >= 1


def test_more_go_up_where_more_is_asked_for() -> None:
    assert Rungs(4.0, 40, 0.4).sizes(40) == (40, 16, 4)
    doubted = [Agreement(0, 9, -1.0)]
    assert Rungs(1.0, 40, 0.3).sizes(40, doubted) == (40, 24)
    assert Rungs(1.0, 40, 1.0).sizes(40, doubted) == (40, 40)


@given(rows=st.lists(VALUES, max_size=12))
def test_everyone_stands_in_line_once_and_the_front_stands_first(
    toy: ModuleType, rows: list[dict[str, float]]
) -> None:
    goal = toy.make_goal()
    order = ranked([Finished(10 + i, v) for i, v in enumerate(rows)], goal)
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
    order = ranked(trials, goal)
    assert set(order[:2]) == {1, 2}
    assert order[2:] == [3, 0]


def test_values_without_a_finite_coordinate_come_last(toy: ModuleType) -> None:
    broken = {"accuracy": float("-inf"), "params": 0.1}
    trials = [Finished(i, broken) for i in range(2)] + [Finished(2, {"accuracy": 0.1, "params": 1})]
    assert ranked(trials, toy.make_goal()) == [2, 0, 1]


def test_plans_near_a_constraint_on_quality_go_up_first(toy: ModuleType) -> None:
    goal = toy.make_goal("accuracy >= dense - 0.1")
    values = [(0.1, 0.01), (0.3, 0.05), (0.75, 0.2), (0.79, 0.4), (0.85, 0.6), (0.89, 0.9)]
    trials = [Finished(i, {"accuracy": a, "params": p}) for i, (a, p) in enumerate(values)]
    order = ranked(trials, goal)
    assert set(order[:2]) == {4, 5}
    assert order[2:] == [3, 2, 1, 0]


def pairs(rungs: list[tuple[float, float, float]]) -> list[Record]:
    """Plans on rung 0 and the same on rung 1: density, loss on either."""
    found = []
    for i, (density, low, high) in enumerate(rungs):
        for rung, loss in enumerate((low, high)):
            plan = {"ratio": 1 - density}
            number, parent = 2 * i + rung, 2 * i if rung else None
            found.append(Record(number, rung, parent, None, plan, {"loss": loss}, {}, {}, {}))
    return found


def agreement(rungs: list[tuple[float, float, float]]) -> Agreement:
    told = Agreements()
    for record in pairs(rungs):
        told.add(record)
    (found,) = told.found()
    return found


def test_a_rung_that_keeps_the_order_agrees_and_one_that_turns_it_around_does_not() -> None:
    kept = agreement([(0.2, i, 10 * i) for i in range(6)])
    turned = agreement([(0.2, i, -i) for i in range(6)])
    assert (kept.rung, kept.pairs, kept.spearman) == (0, 6, 1.0)
    assert turned.spearman == -1.0
    assert kept.widening == 1.0
    assert turned.widening == 2.0


def test_three_plans_tell_nothing() -> None:
    found = agreement([(0.2, i, -i) for i in range(3)])
    assert found.spearman is None
    assert found.widening == 1.0


def test_only_plans_of_similar_density_are_compared() -> None:
    small = [(0.1, 2.0 + i, 2.0 - i / 10) for i in range(4)]
    large = [(0.8, i / 10, 0.9 - i / 10) for i in range(4)]
    assert agreement(small + large).spearman == -1.0


def test_losses_that_are_all_equal_predict_nothing() -> None:
    assert agreement([(0.2, 1.0, i) for i in range(5)]).spearman == 0.0


@given(st.floats(-1, 1), st.integers(1, 5000), st.sampled_from([1.0, 4.0, 30.0]))
def test_more_plans_go_up_where_a_rung_predicts_badly_but_never_all(
    spearman: float, plans: int, epochs: float
) -> None:
    rungs = Rungs(epochs, plans)
    usual = rungs.sizes(plans)
    wide = rungs.sizes(plans, [Agreement(r, 9, spearman) for r in range(len(usual) - 1)])
    assert all(a <= b for a, b in zip(usual, wide, strict=True))
    assert (wide == usual) if spearman >= 0.7 else True
    assert wide[1] <= max(1, WIDEST * SHARE * plans) < max(2, plans)
    assert list(wide) == sorted(wide, reverse=True)
