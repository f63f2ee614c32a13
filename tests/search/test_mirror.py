"""What the sampler sees of a study."""

from types import ModuleType

import pytest
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial, TrialState

from hierprune.search import mirror
from hierprune.search.front import coordinates, non_dominated
from hierprune.search.history import read


def shown(view: mirror.Mirror) -> list[FrozenTrial]:
    """Complete copies in the mirror."""
    return [t for t in view._study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]


def test_copies_carry_coordinates_params_and_constraints(toy: ModuleType) -> None:
    goal = toy.make_goal("accuracy >= dense - 0.1", "params <= 0.5")
    history = toy.play(toy.make_proposer(8), 8)
    view = mirror.Mirror(goal)
    view.sync(history)
    copies = shown(view)
    assert [c.params for c in copies] == [t.params for t in history]
    for copy, trial in zip(copies, history, strict=True):
        values = read(trial).values
        assert copy.values == [axis(values[axis.name]) for axis in goal.axes]
        feasible = values["accuracy"] >= 0.8 and values["params"] <= 0.5
        assert all(v <= 0 for v in copy.constraints.values()) == feasible
        assert len(copy.constraints) == 2


def test_running_trials_are_shown_once_and_told_in_their_place(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(6), 6)
    running = toy.play(toy.make_proposer(6), 6)
    for trial in running:
        trial.state = TrialState.RUNNING
    view = mirror.Mirror(toy.make_goal())
    for done in ([], [4], [4], [1, 4], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]):
        view.sync([history[i] if i in done else running[i] for i in range(6)])
        states = [t.state for t in view._study.get_trials(deepcopy=False)]
        assert len(states) == 6
        assert [i for i, s in enumerate(states) if s == TrialState.COMPLETE] == done
    assert [c.params for c in shown(view)] == [t.params for t in history]


def test_failed_trials_and_promotions_are_not_shown(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(10, 1.0), 10)
    assert read(history[-1]).rung == 1
    first = toy.make_proposer(10)([], True)
    view = mirror.Mirror(toy.make_goal())
    lost = toy.told(first, 20, None)
    begun = toy.told(first, 20, None)
    begun.state = TrialState.RUNNING
    view.sync([*history, begun])
    view.sync([*history, lost])
    assert len(shown(view)) == 10
    states = {t.state for t in view._study.get_trials(deepcopy=False)}
    assert TrialState.RUNNING not in states


def test_a_proposal_leaves_nothing_that_counts(toy: ModuleType) -> None:
    view, space = mirror.Mirror(toy.make_goal()), toy.make_space()
    drawn = view.propose(space, RandomSampler(seed=0))
    assert set(drawn.params) == set(drawn.distributions)
    assert shown(view) == []


@pytest.mark.parametrize("at_once", [True, False])
def test_the_window_keeps_the_front_and_the_newest(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    monkeypatch.setattr(mirror, "WINDOW", 12)
    history = toy.play(toy.make_proposer(60, 0.0, "random"), 60)
    goal = toy.make_goal()
    view = mirror.Mirror(goal)
    for n in [60] if at_once else range(1, 61):
        view.sync(history[:n])
        assert len(view._study.get_trials(deepcopy=False)) <= 2 * 12 + 1
    seen = [c.params for c in shown(view)]
    points = coordinates(goal.axes, [read(t).values for t in history])
    front = [t.params for t, keep in zip(history, non_dominated(points), strict=True) if keep]
    assert sum(p in seen for p in front) >= 6
    assert [t.params for t in history[-6:]] == seen[-6:]
    view.sync(history)
    assert [c.params for c in shown(view)] == seen


def test_a_small_front_is_kept_whole(toy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "WINDOW", 12)
    proposer = toy.make_proposer(60, 0.0, "random")
    history: list[FrozenTrial] = []
    for i in range(60):
        proposal = proposer(history, True)
        best = {"accuracy": 0.8, "params": 0.1} if i == 3 else {"accuracy": 0.5, "params": 0.5}
        history.append(toy.told(proposal, i, best))
    view = mirror.Mirror(toy.make_goal())
    view.sync(history)
    assert len(shown(view)) == 12
    assert history[3].params in [c.params for c in shown(view)]
