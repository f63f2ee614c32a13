"""The proposer: a function of the history, warm first, promotions last."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from hierprune.errors import UsageError
from hierprune.search import mirror
from hierprune.search.history import read
from hierprune.search.proposal import Proposal
from hierprune.search.rungs import Finished, Rungs, promotable
from hierprune.search.strategy import STRATEGIES, strategy
from hierprune.search.warm import warm_starts

spec = importlib.util.spec_from_file_location("made_up", Path(__file__).with_name("conftest.py"))
assert spec is not None
assert spec.loader is not None
made_up = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made_up)
make_goal, make_proposer, make_space = made_up.make_goal, made_up.make_proposer, made_up.make_space
play, score, told = made_up.play, made_up.score, made_up.told


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_restart_proposes_what_would_have_come(name: str) -> None:
    history = play(make_proposer(16, 0.0, name), 16)
    for cut in (0, 5, 11, 15):
        again = make_proposer(16, 0.0, name)(history[:cut], True)
        assert again is not None
        assert again.params == history[cut].params
        assert again.plan.to_json() == history[cut].user_attrs["plan"]


def test_other_seeds_propose_other_plans_after_the_warm_starts() -> None:
    first, second = make_proposer(16), make_proposer(16)
    second.seed = 4
    a, b = play(first, 16), play(second, 16)
    warm = len(warm_starts(first.space, 16))
    assert [t.params for t in a[:warm]] == [t.params for t in b[:warm]]
    assert all(x.params != y.params for x, y in zip(a[warm:], b[warm:], strict=True))


def test_every_prefix_of_the_warm_starts_covers_the_allocations_evenly() -> None:
    points = warm_starts(make_space(), 100)
    names = [p["channel.allocation"] for p in points]
    for n in range(1, len(names) + 1):
        counts = [names[:n].count(a) for a in ("dp", "uniform", "global", "erk", "lamp")]
        assert max(counts) - min(counts) <= 1
    densities = [p["channel.density"] for p in points]
    assert min(densities) < 0.05
    assert max(densities) > 0.3
    assert len(warm_starts(make_space(), 7)) == 3
    assert warm_starts(make_space(kind="flat"), 100) == []


def test_evolution_goes_on_across_a_restart() -> None:
    history = play(make_proposer(70, 0.0, "nsga2", kind="flat"), 70)
    generations = [v for t in history for k, v in read(t).sampler.items() if "generation" in k]
    assert max(generations) >= 2
    resumed = play(make_proposer(110, 0.0, "nsga2", kind="flat"), 110, history)
    last = [v for k, v in read(resumed[-1]).sampler.items() if "generation" in k]
    assert last[0] > max(generations[:70])


def test_the_mirror_keeps_the_front_in_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "WINDOW", 12)
    proposer = make_proposer(40, 0.0, "random")
    history = play(proposer, 40)
    view = mirror.Mirror(make_goal())
    view.sync(history)
    seen = [t for t in view._study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    assert 6 <= len(seen) <= 18
    assert history[-1].params in [t.params for t in seen]
    size = len(seen)
    view.sync(history)
    again = [t for t in view._study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    assert len(again) == size


def test_constraints_reach_the_sampler() -> None:
    view = mirror.Mirror(make_goal("accuracy >= dense - 0.1"))
    history = play(make_proposer(6), 6)
    view.sync(history)
    shown = [t for t in view._study.get_trials(deepcopy=False) if t.state == TrialState.COMPLETE]
    violations = [next(iter(t.constraints.values())) for t in shown]
    assert [v <= 0 for v in violations] == [read(t).values["accuracy"] >= 0.8 for t in history]
    assert len(set(violations)) > 1


def test_running_trials_are_shown_once_and_replaced_when_they_end() -> None:
    proposal = make_proposer(4)([], True)
    assert proposal is not None
    done = told(proposal, 0, score(proposal))
    running = told(proposal, 0, score(proposal))
    running.state = TrialState.RUNNING
    view = mirror.Mirror(make_goal())
    for shown in (running, running, done, done):
        view.sync([shown])
    states = [t.state for t in view._study.get_trials(deepcopy=False)]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


def test_promotions_fill_the_rungs_and_no_more() -> None:
    history = play(make_proposer(40, 4.0), 40)
    rungs = [read(t).rung for t in history]
    assert [rungs.count(r) for r in range(3)] == list(Rungs(4.0, 40).sizes)
    assert rungs == sorted(rungs)
    for trial in history:
        record = read(trial)
        if record.rung:
            parent = read(history[record.parent or 0])
            assert parent.rung == record.rung - 1
            assert parent.plan["density"] == record.plan["density"]
            assert record.plan["recovery"]["epochs"] == Rungs(4.0, 40).epochs[record.rung]
    parents = [read(t).parent for t in history if read(t).rung == 1]
    assert len(set(parents)) == len(parents)


def test_a_rung_waits_for_the_one_below() -> None:
    proposer = make_proposer(10, 1.0)
    history = play(proposer, 10)[:10]
    history[3].state = TrialState.RUNNING
    assert proposer(history, False) is None
    history[3].state = TrialState.COMPLETE
    proposal = proposer(history, False)
    assert proposal is not None
    assert proposal.rung == 1


def test_a_failed_promotion_is_not_repeated_but_a_lost_one_leaves_room() -> None:
    proposer = make_proposer(10, 1.0)
    history = play(proposer, 10)[:10]
    proposal = proposer(history, False)
    assert proposal is not None
    failed = told(proposal, 10, None)
    assert proposer([*history, failed], False) is None
    retry = told(proposal, 11, score(proposal), retry_of=10)
    assert proposer([*history, failed, retry], False) is None


def test_cheap_plans_go_up_before_those_that_break_a_constraint_on_a_cost() -> None:
    goal = make_goal("params <= 0.3", "accuracy >= dense")
    trials = [
        Finished(0, {"accuracy": 0.9, "params": 0.8}),
        Finished(1, {"accuracy": 0.5, "params": 0.2}),
        Finished(2, {"accuracy": 0.6, "params": 0.3}),
        Finished(3, {"accuracy": 0.4, "params": 0.25}),
    ]
    order = promotable(trials, goal)
    assert set(order[:2]) == {1, 2}
    assert order[2:] == [3, 0]


def test_equal_plans_go_up_once() -> None:
    proposer = make_proposer(20, 1.0)
    first = proposer([], True)
    assert first is not None
    history = [told(first, i, score(first)) for i in range(20)]
    up = proposer(history, False)
    assert up is not None
    assert up.parent == 0
    history.append(told(up, 20, score(up)))
    assert proposer(history, False) is None


@pytest.mark.parametrize(
    ("epochs", "ladder"), [(0, (0,)), (1, (0, 1)), (4, (0, 1, 4)), (10, (0, 2.5, 10))]
)
def test_ladders_grow_by_four(epochs: float, ladder: tuple[float, ...]) -> None:
    rungs = Rungs(epochs, 100)
    assert rungs.epochs == ladder
    assert rungs.sizes[0] == 100
    assert len(rungs.sizes) == len(ladder)


def test_unknown_strategies_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'nsga2'"):
        strategy("nsga")


def better_base(name: str) -> Callable[[Proposal], dict[str, float]]:
    """A truth in which one allocation keeps more accuracy than the others."""

    def truth(proposal: Proposal) -> dict[str, float]:
        values = score(proposal)
        loss = 0.0 if proposal.plan.allocation == name else 0.2
        return values | {"accuracy": values["accuracy"] - loss}

    return truth


@pytest.mark.parametrize("name", ["uniform", "lamp", "dp"])
def test_the_default_finds_the_base_that_serves_and_stays_near_it(name: str) -> None:
    truth = better_base(name)
    proposer = make_proposer(60, 0.0, "default")
    history: list[FrozenTrial] = []
    for _ in range(60):
        proposal = proposer(history, True)
        assert proposal is not None
        history.append(told(proposal, len(history), truth(proposal)))
    chosen = [t.user_attrs["plan"]["allocation"] for t in history]
    assert [chosen[:15].count(a) for a in ("dp", "uniform", "global", "erk", "lamp")] == [3] * 5
    assert chosen[15:21] == [name] * 6
    assert chosen[21:].count(name) >= 0.7 * len(chosen[21:])
    swept = [t.params["channel.density"] for t in history if t.params["channel.local"] == "none"]
    assert len(set(swept[:21])) >= 8


def test_one_base_alone_needs_no_race() -> None:
    one = {"channel": ("uniform",)}
    history = play(make_proposer(20, 0.0, "default", allocations=one), 20)
    assert len(history) == 20
    assert play(make_proposer(8, 0.0, "default", kind="flat"), 8)[-1].params
