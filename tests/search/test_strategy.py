"""The proposer: a function of the history, warm first, promotions last."""

import random
from dataclasses import replace
from types import ModuleType

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from hierprune.errors import UsageError
from hierprune.search.front import Axis
from hierprune.search.history import read
from hierprune.search.promotion import Promoter
from hierprune.search.proposal import Proposal
from hierprune.search.rungs import Rungs
from hierprune.search.strategy import STRATEGIES, name_of, strategy
from hierprune.search.warm import warm_starts


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_a_restart_proposes_what_would_have_come(toy: ModuleType, name: str) -> None:
    history = toy.play(toy.make_proposer(16, 0.0, name), 16)
    for cut in (0, 5, 11, 15):
        again = toy.make_proposer(16, 0.0, name)(history[:cut], True)
        assert again is not None
        assert again.params == history[cut].params
        assert again.plan.to_json() == history[cut].user_attrs["plan"]


@pytest.mark.parametrize("name", ["default", "evolution", "tpe"])
def test_the_order_in_which_trials_finish_does_not_matter(toy: ModuleType, name: str) -> None:
    watching = toy.make_proposer(30, 0.0, name)
    history: list[FrozenTrial] = []
    open_trials: list[tuple[int, Proposal]] = []
    chance = random.Random(0)
    for number in range(30):
        proposal = watching(history, True)
        fresh = toy.make_proposer(30, 0.0, name)(history, True)
        assert proposal is not None
        assert fresh is not None
        assert fresh.params == proposal.params
        running = toy.told(proposal, number, None)
        running.state = TrialState.RUNNING
        history.append(running)
        open_trials.append((number, proposal))
        while len(open_trials) > 3:
            done, ended = open_trials.pop(chance.randrange(len(open_trials)))
            values = None if chance.random() < 0.1 else toy.score(ended)
            history[done] = toy.told(ended, done, values)


def test_other_seeds_propose_other_plans_after_the_warm_starts(toy: ModuleType) -> None:
    first, second = toy.make_proposer(16), toy.make_proposer(16)
    second.seed = 4
    a, b = toy.play(first, 16), toy.play(second, 16)
    warm = len(warm_starts(first.space, 16))
    assert [t.params for t in a[:warm]] == [t.params for t in b[:warm]]
    assert all(x.params != y.params for x, y in zip(a[warm:], b[warm:], strict=True))


@pytest.mark.parametrize("name", ["random", "nsga2", "nsga3", "tpe"])
def test_neighbouring_seeds_share_no_draw(toy: ModuleType, name: str) -> None:
    drawn = []
    for seed in (3, 4):
        proposer = toy.make_proposer(12, 0.0, name, kind="flat")
        proposer.seed = seed
        drawn += [str(t.params) for t in toy.play(proposer, 12)]
    assert len(set(drawn)) == len(drawn)


def test_a_seeded_sampler_that_begins_anew_repeats_no_plan(toy: ModuleType) -> None:
    history = []
    for count in (8, 16):
        proposer = toy.make_proposer(count, kind="flat")
        sampler = optuna.samplers.RandomSampler(seed=0)
        proposer.strategy = strategy(name_of(sampler), sampler)
        history = toy.play(proposer, count, history)
    assert len({str(t.params) for t in history}) == 16


def test_drawn_plans_lie_within_the_bounds_of_the_goal(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(16, 0.0, "random", "params <= 0.4"), 16)
    assert all(read(t).values["params"] <= 0.4 for t in history)


@pytest.mark.parametrize(
    ("name", "sampler", "says"),
    [
        ("optuna:RandomSampler", optuna.samplers.TPESampler(), "not 'optuna:TPESampler'"),
        ("tpe", optuna.samplers.RandomSampler(), "takes no sampler object"),
        ("optuna:GridSampler", optuna.samplers.GridSampler({"a": [1]}), "finite space"),
    ],
)
def test_sampler_objects_that_cannot_draw_are_refused(
    name: str, sampler: optuna.samplers.BaseSampler, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        strategy(name, sampler)


def test_evolution_goes_on_across_a_restart(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(70, 0.0, "nsga2", kind="flat"), 70)
    generations = [v for t in history for k, v in read(t).sampler.items() if "generation" in k]
    assert max(generations) >= 2
    resumed = toy.play(toy.make_proposer(110, 0.0, "nsga2", kind="flat"), 110, history)
    last = [v for k, v in read(resumed[-1]).sampler.items() if "generation" in k]
    assert last[0] > max(generations[:70])


def test_evolution_is_taken_up_after_any_number_of_generations(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(60, 0.0, "nsga2", kind="flat"), 60)
    for trial in history:
        for name, generation in trial.user_attrs["sampler"].items():
            trial.user_attrs["sampler"][name] = generation + 2000
    proposal = toy.make_proposer(100, 0.0, "nsga2", kind="flat")(history, True)
    assert proposal is not None
    (generation,) = proposal.sampler.values()
    assert generation >= 2002


@pytest.mark.parametrize("name", ["tpe", "nsga2", "nsga3"])
def test_constraints_draw_the_sampler_to_plans_that_hold(toy: ModuleType, name: str) -> None:
    shares = []
    for constraints in [(), ("accuracy >= dense - 0.1",)]:
        held = []
        for seed in range(3):
            proposer = toy.make_proposer(120, 0.0, name, *constraints, kind="flat")
            proposer.seed = seed
            history = toy.play(proposer, 120)
            held += [read(t).values["accuracy"] >= 0.8 for t in history[60:]]
        shares.append(sum(held) / len(held))
    assert shares[1] > 1.5 * shares[0]
    assert shares[1] > 0.1


def test_promotions_fill_the_rungs_and_no_more(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(40, 4.0), 40)
    rungs = [read(t).rung for t in history]
    assert [rungs.count(r) for r in range(3)] == list(Rungs(4.0, 40).sizes(40))
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


def test_a_rung_waits_for_the_one_below(toy: ModuleType) -> None:
    proposer = toy.make_proposer(10, 1.0)
    history = toy.play(proposer, 10)[:10]
    history[3].state = TrialState.RUNNING
    assert proposer(history, False) is None
    history[3].state = TrialState.COMPLETE
    proposal = proposer(history, False)
    assert proposal is not None
    assert proposal.rung == 1


def test_a_failed_promotion_is_not_repeated_but_a_lost_one_leaves_room(toy: ModuleType) -> None:
    proposer = replace(toy.make_proposer(10), rungs=Rungs(1.0, 10, share=0.1))
    history = toy.play(proposer, 10)[:10]
    proposal = proposer(history, False)
    assert proposal is not None
    failed = toy.told(proposal, 10, None)
    assert proposer([*history, failed], False) is None
    retry = toy.told(proposal, 11, toy.score(proposal), retry_of=10)
    assert proposer([*history, failed, retry], False) is None


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), epochs=st.sampled_from([1.0, 5.0, 20.0]))
def test_rungs_are_never_overfull_whatever_fails(toy: ModuleType, seed: int, epochs: float) -> None:
    proposer = toy.make_proposer(24, epochs, "random")
    chance = random.Random(seed)
    history: list[FrozenTrial] = []
    plans = 0
    while (proposal := proposer(history, plans < 24)) is not None:
        values = None if chance.random() < 0.3 else toy.score(proposal)
        history.append(toy.told(proposal, len(history), values))
        plans += proposal.rung == 0 and values is not None
    records = [read(t) for t in history]
    for rung, size in list(enumerate(Rungs(epochs, 24).sizes(24)))[1:]:
        parents = [r.parent for r in records if r.rung == rung]
        assert len(parents) == len(set(parents)) <= size
        assert all(history[p].state == TrialState.COMPLETE for p in parents)


def test_equal_plans_go_up_once(toy: ModuleType) -> None:
    proposer = toy.make_proposer(20, 1.0)
    first = proposer([], True)
    assert first is not None
    history = [toy.told(first, i, toy.score(first)) for i in range(20)]
    up = proposer(history, False)
    assert up is not None
    assert up.parent == 0
    history.append(toy.told(up, 20, toy.score(up)))
    assert proposer(history, False) is None


def test_unknown_strategies_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'nsga2'"):
        strategy("nsga-2")


def test_one_base_alone_is_enough(toy: ModuleType) -> None:
    one = {"channel": ("uniform",)}
    history = toy.play(toy.make_proposer(20, 0.0, "default", allocations=one), 20)
    assert len(history) == 20
    assert toy.play(toy.make_proposer(8, 0.0, "default", kind="flat"), 8)[-1].params


def test_a_study_of_accuracy_alone_goes_where_the_loss_falls(toy: ModuleType) -> None:
    def found(objective: str) -> list[dict[str, object]]:
        proposer = toy.make_proposer(12, 0.0, "default", "params <= 0.5", kind="hierarchical")
        axis = {
            "accuracy": Axis("accuracy", "maximize", 0.9, 0.1),
            "loss": Axis("loss", "minimize", 0.1, 2.3),
        }[objective]
        goal = replace(proposer.goal, axes=(axis,))
        history: list[FrozenTrial] = []
        proposer = replace(proposer, goal=goal)
        while len(history) < 12:
            proposal = proposer(history, True)
            wide = proposal.plan.density["0"]
            values = {**toy.score(proposal), "accuracy": 0.5 + wide / 10, "loss": 1 - wide}
            history.append(toy.told(proposal, len(history), values))
        return [dict(t.params) for t in history]

    assert found("accuracy") == found("loss")


def studied(toy: ModuleType, epochs: float, dear: str = "") -> list[FrozenTrial]:
    """A study of accuracy alone whose rung 0 flatters bent plans; one base breaks its bound."""
    proposer = toy.make_proposer(20, epochs, "default", "macs <= 0.5", kind="hierarchical")
    only = replace(proposer.goal, axes=proposer.goal.axes[:1])
    proposer = replace(proposer, goal=only, rungs=Rungs(epochs, 20, share=0.4))
    history: list[FrozenTrial] = []
    while (proposal := proposer(history, len(history) < 20)) is not None:
        values = toy.score(proposal)
        if proposal.plan.allocation == dear:
            values["macs"] = 0.6
        if proposal.params.get("channel.local") == "layer":
            values["loss"] -= 0.05
        history.append(toy.told(proposal, len(history), values))
    return history


def test_where_accuracy_is_all_every_base_goes_up_before_what_was_bent_to_the_score(
    toy: ModuleType,
) -> None:
    history = studied(toy, 1.0, dear="shared")
    up = [t for t in history if t.user_attrs["rung"] == 1]
    parents = [history[t.user_attrs["parent"]] for t in up]
    bases = [p.user_attrs["plan"]["allocation"] for p in parents[:3]]
    assert sorted(bases) == ["global", "lamp", "uniform"]
    assert {p.params["channel.local"] for p in parents[:3]} == {"none"}
    assert {p.params["channel.local"] for p in parents[3:]} == {"layer"}
    assert len(up) == 8


def test_of_global_densities_alone_every_plan_is_a_base(toy: ModuleType) -> None:
    proposer = toy.make_proposer(6, 0.0, "default", kind="global")
    (plan, *_) = toy.play(proposer, 6)
    assert Promoter(proposer.goal, Rungs(1.0, 6)).base(plan).startswith("channel/")
    flat = toy.make_proposer(6, 0.0, "default", kind="flat")
    assert Promoter(flat.goal, Rungs(1.0, 6)).base(toy.play(flat, 6)[0]) == ""


def test_trained_plans_go_up_by_their_scores_alone(toy: ModuleType) -> None:
    up = [t for t in studied(toy, 8.0) if t.user_attrs["rung"] == 2]
    assert [t.params["channel.local"] for t in up] == ["layer"] * len(up) != []
