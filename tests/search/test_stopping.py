"""When a search is over: good enough, or no more progress."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial

from hierprune.errors import UsageError
from hierprune.search.history import current, read
from hierprune.search.stopping import Stop, Stopping, StopRules

START = datetime(2026, 1, 1)
GOOD = "accuracy >= dense - 0.1 and params <= 0.5"


def trial(toy: ModuleType, number: int, accuracy: float, params: float) -> FrozenTrial:
    """A finished trial of a plan of its own, done a second after the one before."""
    proposal = toy.make_proposer(name="random")([], True)
    values = {"accuracy": accuracy, "params": params, "loss": 1 - accuracy}
    found: FrozenTrial = toy.told(proposal, number, values)
    found.user_attrs["plan"]["seed"] = number
    found.datetime_complete = START + timedelta(seconds=number)
    return found


def promoted(toy: ModuleType, number: int, parent: FrozenTrial, accuracy: float) -> FrozenTrial:
    """The same plan on rung 1."""
    found = trial(toy, number, accuracy, read(parent).values["params"])
    plan = dict(parent.user_attrs["plan"])
    plan["recovery"] = {**plan["recovery"], "epochs": 1.0}
    found.user_attrs.update(plan=plan, rung=1, parent=parent.number)
    return found


def judged(toy: ModuleType, rules: StopRules, trials: list[FrozenTrial]) -> Stop | None:
    return Stopping(rules, toy.make_goal())(trials)


def test_it_ends_with_the_first_model_that_satisfies_everything(toy: ModuleType) -> None:
    trials = [trial(toy, 0, 0.85, 0.9), trial(toy, 1, 0.3, 0.2), trial(toy, 2, 0.8, 0.5)]
    rules = StopRules(until=GOOD)
    assert judged(toy, rules, trials[:2]) is None
    found = judged(toy, rules, [*trials, trial(toy, 3, 0.9, 0.1)])
    assert found == Stop("until", "trial 2 has accuracy >= dense - 0.1 and params <= 0.5")


def test_a_plan_is_judged_where_it_stands_highest(toy: ModuleType) -> None:
    first = trial(toy, 0, 0.85, 0.4)
    worse = promoted(toy, 1, first, 0.3)
    assert judged(toy, StopRules(until=GOOD), [first]) is not None
    assert judged(toy, StopRules(until=GOOD), [first, worse]) is None
    assert current([read(first), read(worse)]) == [read(worse)]


def test_patience_is_lost_once_for_all(toy: ModuleType) -> None:
    better = [trial(toy, i, 0.5, 0.5 - 0.1 * i) for i in range(3)]
    same = [trial(toy, 3 + i, 0.4, 0.6) for i in range(2)]
    late = trial(toy, 5, 0.8, 0.1)
    rules = StopRules(patience=2)
    assert judged(toy, rules, [*better, same[0]]) is None
    found = judged(toy, rules, [*better, *same])
    assert found is not None
    assert found.rule == "patience"
    assert "last 2 of 5 plans" in found.reason
    assert judged(toy, rules, [*better, *same, late]) == found


def test_higher_rungs_are_no_plans_that_patience_counts(toy: ModuleType) -> None:
    plans = [trial(toy, i, 0.5, 0.5 - 0.1 * i) for i in range(3)]
    up = [promoted(toy, 3 + i, p, 0.45) for i, p in enumerate(plans)]
    assert judged(toy, StopRules(patience=2), plans + up) is None


@settings(deadline=None, max_examples=40)
@given(values=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), max_size=12))
def test_it_is_the_same_however_the_record_is_read(
    toy: ModuleType, values: list[tuple[int, int]]
) -> None:
    trials = [trial(toy, i, a / 10, p / 10) for i, (a, p) in enumerate(values)]
    rules = StopRules("accuracy >= 0.8 and params < 0.2", 3)
    follower = Stopping(rules, toy.make_goal())
    for count in range(len(trials) + 1):
        assert follower(trials[:count]) == judged(toy, rules, trials[:count])


@pytest.mark.parametrize("text", ["accuracy", "accuracy >= and", "accuracy > 1 or params < 1"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the constraint"):
        StopRules(until=text)


def test_patience_counts_what_the_constraints_allow(toy: ModuleType) -> None:
    """A large model that is not allowed hides no progress of those that are."""
    goal, rules = toy.make_goal("params <= 0.5"), StopRules(patience=2)
    goal = replace(goal, axes=goal.axes[:1])
    large = trial(toy, 0, 0.89, 0.6)
    better = [trial(toy, 1 + i, 0.5 + 0.05 * i, 0.45) for i in range(5)]
    assert Stopping(rules, goal)([large, *better]) is None
    same = [trial(toy, 6 + i, 0.3, 0.49) for i in range(2)]
    assert Stopping(rules, goal)([large, *better, *same]) is not None


def test_patience_is_lost_where_nothing_is_ever_allowed(toy: ModuleType) -> None:
    goal, same = toy.make_goal("params <= 0.1"), [trial(toy, i, 0.5, 0.5) for i in range(4)]
    assert Stopping(StopRules(patience=3), goal)(same) is not None


def test_where_accuracy_is_all_a_lower_loss_is_progress(toy: ModuleType) -> None:
    goal = toy.make_goal()
    only = replace(goal, axes=goal.axes[:1])
    plans = [trial(toy, i, 0.8, 0.5) for i in range(5)]
    for i, plan in enumerate(plans):
        plan.user_attrs["outcome"]["values"]["loss"] = 1 - 0.1 * i
    assert Stopping(StopRules(patience=2), only)(plans) is None


def test_without_rules_nothing_ends(toy: ModuleType) -> None:
    assert judged(toy, StopRules(), [trial(toy, i, 0.1, 0.9) for i in range(4)]) is None
