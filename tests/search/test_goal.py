"""How far a model is from what was asked for."""

from dataclasses import replace
from types import ModuleType

import pytest

GOOD = {"accuracy": 0.9, "params": 0.2, "macs": 0.5}


@pytest.mark.parametrize(
    ("values", "everything", "costs"),
    [
        ({}, 0.0, 0.0),
        ({"accuracy": 0.7}, 0.1, 0.0),
        ({"params": 0.4}, 0.1, 0.1),
        ({"accuracy": 0.7, "params": 0.5}, 0.3, 0.2),
        ({"accuracy": 0.95, "params": 0.1}, 0.0, 0.0),
    ],
)
def test_violations_add_up_and_slack_does_not_make_up_for_them(
    toy: ModuleType, values: dict[str, float], everything: float, costs: float
) -> None:
    goal = toy.make_goal("accuracy >= dense - 0.1", "params <= dense * 0.3")
    assert goal.violation(GOOD | values) == pytest.approx(everything)
    assert goal.violation(GOOD | values, costs_only=True) == pytest.approx(costs)


def test_without_constraints_nothing_is_violated(toy: ModuleType) -> None:
    assert toy.make_goal().violation({}) == 0.0


def test_bounds_on_an_exact_cost_say_where_to_look(toy: ModuleType) -> None:
    goal = toy.make_goal("accuracy >= dense - 0.1", "params <= dense * 0.3", "params < 0.5")
    assert goal.bounds("params") == pytest.approx((0.0, 0.3))
    assert goal.bounds("macs") == (0.0, 1.0)
    only_quality = replace(goal, axes=goal.axes[:1])
    assert only_quality.bounds("params") == pytest.approx((0.285, 0.3))
    assert only_quality.bounds("macs") == (0.0, 1.0)


def test_another_bounded_cost_may_ask_for_less_than_all_of_the_budget(toy: ModuleType) -> None:
    goal = toy.make_goal("params <= 0.6", "macs <= 0.1", "accuracy >= dense - 0.1")
    only_quality = replace(goal, axes=goal.axes[:1])
    assert only_quality.bounds("params") == pytest.approx((0.0, 0.6))


def test_where_accuracy_is_all_plans_are_compared_by_their_loss(toy: ModuleType) -> None:
    goal = toy.make_goal("params <= 0.5")
    only = replace(goal, axes=goal.axes[:1])
    (axis,) = only.sought.axes
    assert (axis.name, axis(goal.dense["loss"]), axis(2.3)) == ("loss", 0.0, 1.0)
    assert only.sought.bounds("params") == only.bounds("params")
    assert only.sought.constraints == only.constraints
    assert goal.sought == goal
    assert replace(only, qualities={"accuracy": 0.1}).sought.axes == only.axes
