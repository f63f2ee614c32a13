"""What is learned of finished trials, and when it is learned anew."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from hierprune.search import learner
from hierprune.search.branch import branches
from hierprune.search.front import Axis
from hierprune.search.history import read
from hierprune.search.learner import Learner, Points, settled_size
from hierprune.search.surrogate import Surrogate


def test_the_window_holds_the_front_and_the_newest(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "WINDOW", 12)
    proposer = toy.make_proposer(40, 0.0, "random")
    done = [read(t) for t in toy.play(proposer, 40)]
    one = Learner(branches(proposer.space)[0], Points(proposer.goal))
    kept = [r.number for r in one.window(done)]
    assert len(kept) <= 12
    assert kept == sorted(kept)
    assert done[-1].number in kept
    front = [done[i].number for i in one.points.front(done)]
    assert set(front[-6:]) <= set(kept)
    assert one.window(done[:12]) == done[:12]


def test_a_large_study_is_tuned_anew_only_as_it_grows(
    toy: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "WINDOW", 12)
    sizes: list[int] = []
    original = Surrogate.fitted

    def counted(x: np.ndarray, y: np.ndarray) -> Surrogate:
        sizes.append(len(x))
        return original(x, y)

    monkeypatch.setattr(Surrogate, "fitted", counted)
    history = toy.play(toy.make_proposer(40, 0.0, "random"), 30)
    proposer = toy.make_proposer(40, 0.0, "default")
    for number in range(30, 35):
        history.append(toy.told(p := proposer(history, True), number, toy.score(p)))
    steps = len({settled_size(n) for n in range(30, 35)})
    assert len(sizes) == steps < 5
    assert max(sizes) <= 12


def test_what_the_widths_decide_is_not_learned(toy: ModuleType) -> None:
    """Half the widths take half the time, whatever trials said; a bound on it is exact too."""
    space, goal = toy.make_space(), toy.make_goal("latency <= dense * 0.5")
    whole = space.landscapes["channel"].cost.widths
    land = replace(
        space.landscapes["channel"], forecasts={"latency": lambda w: (w / whole).mean(axis=1)}
    )
    space = replace(space, landscapes={"channel": land})
    dense = dict(goal.dense) | {"latency": 3.0}
    goal = replace(goal, axes=(*goal.axes, Axis("latency", "minimize", 3.0)), dense=dense)
    one = Learner(branches(space)[0], Points(goal))
    widths = np.stack([whole // 4, whole // 2, whole])
    believed = one.believed(goal.axes[-1], [], widths)
    assert believed.mean.tolist() == [0.25, 0.5, 1.0]
    assert not believed.std.any()
    assert (one.excess(widths) > 0).tolist() == [False, False, True]
    assert list(one.chances([], widths)) == []
