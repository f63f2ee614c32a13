"""Plans that are chosen directly: sweeps, models, switches."""

import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from hierprune.search.branch import branches
from hierprune.search.choosers import HEATS, ModelBased, Plans, front_of, sorted_out
from hierprune.search.front import Axis, coordinates, hypervolume
from hierprune.search.history import read


@pytest.mark.parametrize("kind", ["hierarchical", "flat"])
@pytest.mark.parametrize("granularity", ["channel", "weight"])
def test_parameters_mean_the_widths_they_were_made_of(
    toy: ModuleType, kind: str, granularity: str
) -> None:
    space = toy.make_space(kind=kind, granularities=(granularity,))
    (branch,) = branches(space)
    drawn = branch.drawn(np.empty((0, len(branch.cost.names))), 60, np.random.default_rng(0))
    for widths in drawn:
        plan = space.plan(branch.parameters(widths))
        found = branch.cost.vector(plan.density)
        assert np.abs(found - widths).max() <= np.maximum(1, 0.02 * branch.cost.widths).max()


def test_a_narrow_span_leaves_as_many_candidates(toy: ModuleType) -> None:
    counts = []
    for low in (0.02, 0.475):
        (branch,) = branches(toy.make_space(granularities=("weight",)), (low, 0.5))
        front = branch.logits(np.array([branch.cost.widths // 2]))
        drawn = branch.drawn(front, 60, np.random.default_rng(0))
        assert ((branch.shares(drawn) >= low) & (branch.shares(drawn) <= 0.5)).all()
        counts.append(len(drawn))
    assert counts[1] >= 0.9 * counts[0]


@pytest.mark.parametrize("kind", ["hierarchical", "flat"])
def test_one_good_model_is_sought_just_below_the_bound(toy: ModuleType, kind: str) -> None:
    proposer = toy.make_proposer(16, 0.0, "default", "params <= dense * 0.3", kind=kind)
    goal = replace(proposer.goal, axes=proposer.goal.axes[:1])
    proposer = replace(proposer, goal=goal)
    history = toy.play(proposer, 16)
    shares = [1 - read(t).plan["ratio"] for t in history]
    assert max(shares) <= 0.3 + 1e-9
    assert sum(share > 0.25 for share in shares) >= 12
    if kind == "hierarchical":
        assert min(shares[:4]) > 0.29
    assert len({str(read(t).plan["density"]) for t in history}) >= 14


@pytest.mark.parametrize("kind", ["hierarchical", "flat", "global"])
def test_the_default_sweeps_every_base_and_then_goes_its_own_way(
    toy: ModuleType, kind: str
) -> None:
    proposer = toy.make_proposer(20, 0.0, "default", kind=kind)
    history = toy.play(proposer, 20)
    assert len({str(t.params) for t in history}) == 20
    if kind == "hierarchical":
        first = [t.params["channel.local"] for t in history[: 4 * HEATS]]
        assert first == ["none"] * 4 * HEATS
        assert any(t.params["channel.local"] == "layer" for t in history[4 * HEATS :])


def uneven(toy: ModuleType, density: dict[str, float]) -> float:
    """A made-up truth: the first group must stay, the third may go."""
    worth = dict(zip("0123", (8.0, 1.0, 0.2, 2.0), strict=True))
    lost = sum(w * (1 - density[n]) ** 2 for n, w in worth.items())
    return float(0.9 * np.exp(-0.4 * lost))


def volumes(toy: ModuleType, name: str, seeds: range) -> float:
    """Mean hypervolume of 30 plans under :func:`uneven`."""
    goal, found = toy.make_goal(), []
    for seed in seeds:
        proposer = toy.make_proposer(30, 0.0, name)
        proposer.seed = seed
        history, rows = [], []
        for number in range(30):
            proposal = proposer(history, True)
            plan = proposal.plan
            values = toy.score(proposal) | {"accuracy": uneven(toy, dict(plan.density))}
            rows.append(values)
            history.append(toy.told(proposal, number, values))
        found.append(hypervolume(coordinates(goal.axes, rows)))
    return float(np.mean(found))


def test_the_default_finds_more_than_what_it_is_made_of(toy: ModuleType) -> None:
    best = volumes(toy, "default", range(2))
    assert best > volumes(toy, "grid", range(1)) + 0.02
    assert best > volumes(toy, "random", range(3)) + 0.02
    assert best > volumes(toy, "evolution", range(2)) - 0.01


def test_every_base_begins_with_a_large_and_a_small_plan(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(40, 0.0, "default"), 8)
    swept = [(t.params["channel.allocation"], t.params["channel.density"]) for t in history]
    for name in {name for name, _ in swept}:
        small, large = sorted(density for other, density in swept if other == name)
        assert large > small + 0.2


def test_a_group_that_many_tensors_share_moves_the_features_most(toy: ModuleType) -> None:
    space = toy.make_space()
    landscape = space.landscapes["channel"]
    slope = landscape.cost.slope.copy()
    slope[:, 0, 0] += 1.0
    cost = replace(landscape.cost, slope=slope)
    space = replace(space, landscapes={"channel": replace(landscape, cost=cost)})
    (branch,) = branches(space)
    halves = [cost.widths // np.where(np.arange(4) == g, 2, 1) for g in range(4)]
    moves = np.abs(branch.features(np.array(halves)) - branch.features(cost.widths[None]))[:, 1:]
    assert cost.tensors.tolist() == [5, 2, 2, 2]
    assert moves.diagonal() == pytest.approx(np.log(2) * np.sqrt(cost.tensors / 11))


def test_workers_are_sent_to_different_places(toy: ModuleType) -> None:
    proposer = toy.make_proposer(40, 0.0, "default")
    history = toy.play(proposer, 10)
    costs = []
    for number in range(10, 14):
        proposal = proposer(history, True)
        costs.append(1 - proposal.plan.ratio)
        running = toy.told(proposal, number, None)
        running.state = TrialState.RUNNING
        history.append(running)
    assert min(abs(a - b) for i, a in enumerate(costs) for b in costs[:i]) > 0.002
    assert max(costs) - min(costs) > 0.02


@pytest.mark.parametrize(
    ("better", "count", "options"),
    [
        (
            "weight",
            40,
            {
                "kind": "hierarchical",
                "granularities": ("channel", "weight"),
                "allocations": {"channel": ("uniform", "global"), "weight": ("global",)},
            },
        ),
        ("activation", 40, {"kind": "global", "criteria": {"channel": ("activation", "l1")}}),
        ("dynamic", 12, {"kind": "hierarchical", "quantizations": ("none", "dynamic")}),
    ],
)
def test_a_branch_that_had_few_plans_comes_into_its_own(
    toy: ModuleType, better: str, count: int, options: dict[str, object]
) -> None:
    """Its plans lose nothing, and the sweeps had too few of them for a model."""
    proposer = toy.make_proposer(count, 0.0, "default", **options)
    history, found = [], []
    for number in range(count):
        proposal = proposer(history, True)
        plan = proposal.plan
        found.append(better in (plan.granularity, plan.criterion, plan.quantization))
        lost = 0.0 if found[-1] else plan.ratio**2
        values = toy.score(proposal) | {"accuracy": 0.9 * (1 - lost)}
        history.append(toy.told(proposal, number, values))
    assert sum(found) > count / 3


@pytest.mark.parametrize("lost", [False, True])
def test_a_failure_does_not_shut_a_branch_out(toy: ModuleType, lost: bool) -> None:
    """The first plan of the better branch fails, for good or until it is repeated."""
    options = {"allocations": {"channel": ("uniform",), "weight": ("uniform",)}}
    proposer = toy.make_proposer(40, 0.0, "default", granularities=("channel", "weight"), **options)
    history, found, again = [], [], None
    while len(found) < 40:
        proposal = again or proposer(history, True)
        number, better = len(history), proposal.plan.granularity == "weight"
        if better and not any(found):
            found.append(better)
            history.append(toy.told(proposal, number, None))
            again = proposal if lost else None
            continue
        repeats = {"retry_of": number - 1} if again else {}
        found += [] if again else [better]
        values = toy.score(proposal) | {"accuracy": 0.9 * (1 - (not better) * proposal.plan.ratio)}
        history.append(toy.told(proposal, number, values, **repeats))
        again = None
    assert sum(found) > 40 / 3


def test_a_branch_that_only_fails_is_left(toy: ModuleType) -> None:
    options = {"allocations": {"channel": ("uniform",), "weight": ("uniform",)}}
    proposer = toy.make_proposer(40, 0.0, "default", granularities=("channel", "weight"), **options)
    history: list[FrozenTrial] = []
    for number in range(40):
        proposal = proposer(history, True)
        fails = proposal.plan.granularity == "weight"
        history.append(toy.told(proposal, number, None if fails else toy.score(proposal)))
    assert sum(t.state == TrialState.FAIL for t in history) <= 6


def test_evolution_without_a_front_goes_on_with_the_sweeps(toy: ModuleType) -> None:
    proposer = toy.make_proposer(20, 0.0, "evolution")
    proposer.goal = replace(proposer.goal, axes=(Axis("loss", "minimize", 0.1),))
    proposer = replace(proposer)
    history: list[FrozenTrial] = []
    for number in range(14):
        proposal = proposer(history, True)
        history.append(toy.told(proposal, number, toy.score(proposal) | {"loss": math.inf}))
    assert len(history) == 14


def test_plans_that_run_in_one_branch_are_known_in_all(toy: ModuleType) -> None:
    """Two branches alike: what one of them is about to measure is no gain for the other."""
    proposer = toy.make_proposer(60, 0.0, "default", quantizations=("none", "dynamic"))
    done = [read(t) for t in toy.play(proposer, 24)]
    chooser = ModelBased(proposer.space, proposer.goal, 60)
    sparse, (one, other) = front_of(chooser.standing(done))[::8], chooser._learners
    by_branch = sorted_out(done)
    drawn = one.branch.drawn(one.front_logits(done), 200, np.random.default_rng(0))
    gains = one.gains(by_branch[one.branch.key], [], drawn, sparse, np.random.default_rng(0))
    widths = drawn[[int(gains.argmax())]]
    plan = proposer.space.plan(one.branch.parameters(widths[0])).to_json()
    running = sorted_out([replace(done[0], number=99, plan=plan, values={})])
    with_it = np.concatenate([sparse, *chooser.expected(by_branch, running)])
    before, after = (
        other.gains(by_branch[other.branch.key], [], widths, f, np.random.default_rng(0))[0]
        for f in (sparse, with_it)
    )
    assert len(with_it) == len(sparse) + 1
    assert after < 0.5 * before


@pytest.mark.parametrize(
    "rule", ["params <= dense * 2", "params <= dense", "params <= dense * 0.98"]
)
def test_a_bound_that_hardly_binds_leaves_candidates_in_a_flat_space(
    toy: ModuleType, rule: str
) -> None:
    proposer = toy.make_proposer(30, 0.0, "default", rule, kind="flat")
    goal = replace(proposer.goal, axes=proposer.goal.axes[:1])
    done = [read(t) for t in toy.play(replace(proposer, goal=goal), 12)]
    chooser = ModelBased(proposer.space, goal, 30)
    assert chooser.best(Plans(done), np.random.default_rng(0)) is not None


@pytest.mark.parametrize("kind", ["hierarchical", "flat"])
def test_a_region_where_plans_fail_is_left(toy: ModuleType, kind: str) -> None:
    """Small third groups break the model, which makes them cheap and their accuracy unknown."""
    proposer = toy.make_proposer(40, 0.0, "default", kind=kind)
    history, broken = [], []
    for number in range(40):
        proposal = proposer(history, True)
        broken.append(proposal.plan.density["2"] < 0.4)
        values = toy.score(proposal) | {"accuracy": uneven(toy, dict(proposal.plan.density))}
        history.append(toy.told(proposal, number, None if broken[-1] else values))
    assert sum(broken[:10]) >= 3
    assert sum(broken[20:]) <= 8


def test_plans_that_failed_are_not_tried_again(toy: ModuleType) -> None:
    proposer = toy.make_proposer(30, 0.0, "default")
    history = toy.play(proposer, 12)
    for number in range(12, 20):
        history.append(toy.told(proposer(history, True), number, None))
    plans = [str(read(t).plan["density"]) for t in history]
    assert len(set(plans)) == 20


def test_while_nothing_is_known_the_sweep_goes_on(toy: ModuleType) -> None:
    proposer = toy.make_proposer(30, 0.0, "default")
    history = []
    for number in range(15):
        history.append(toy.told(proposer(history, True), number, None))
    assert len({t.params["channel.density"] for t in history}) == 15


def test_several_granularities_compete(toy: ModuleType) -> None:
    options = {"granularities": ("channel", "weight")}
    space, goal = toy.make_space(**options), toy.make_goal()
    chooser = ModelBased(space, goal, 60)
    assert len(chooser._learners) == 2
    history = toy.play(toy.make_proposer(20, 0.0, "default", **options), 20)
    assert {t.params["granularity"] for t in history} == {"channel", "weight"}


def test_constraints_draw_the_default_to_plans_that_hold(toy: ModuleType) -> None:
    counts = []
    for constraints in [(), ("accuracy >= dense - 0.1", "params <= 0.6")]:
        proposer = toy.make_proposer(24, 0.0, "default", *constraints)
        values = [read(t).values for t in toy.play(proposer, 24)[8:]]
        counts.append(sum(v["accuracy"] >= 0.8 and v["params"] <= 0.6 for v in values))
    assert counts[1] >= counts[0] + 2


@pytest.mark.parametrize("kind", ["hierarchical", "flat"])
@pytest.mark.parametrize("name", ["default", "evolution", "tpe", "nsga2", "grid"])
def test_every_strategy_tries_every_quantisation(toy: ModuleType, kind: str, name: str) -> None:
    kinds = ("none", "dynamic", "static")
    proposer = toy.make_proposer(30, 0.0, name, kind=kind, quantizations=kinds)
    history = toy.play(proposer, 30)
    assert {t.user_attrs["plan"]["quantization"] for t in history} == set(kinds)
    assert len({str(t.params) for t in history}) == 30


def test_one_quantisation_is_no_parameter(toy: ModuleType) -> None:
    history = toy.play(toy.make_proposer(4, 0.0, "default", quantizations=("static",)), 4)
    assert all("quantization" not in t.params for t in history)
    assert {t.user_attrs["plan"]["quantization"] for t in history} == {"static"}


@pytest.mark.parametrize("name", ["default", "grid", "tpe"])
def test_no_plan_is_begun_above_a_bound_on_what_the_density_counts(
    toy: ModuleType, name: str
) -> None:
    proposer = toy.make_proposer(16, 0.0, name, "params <= 0.4")
    shares = [1 - p["ratio"] for p in (read(t).plan for t in toy.play(proposer, 8))]
    assert max(shares) <= 0.4 + 1e-9
    assert len(set(shares)) > 3


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_constraint_on_what_is_not_finite_everywhere_still_guides(
    toy: ModuleType, value: float
) -> None:
    proposer = toy.make_proposer(24, 0.0, "default", "loss <= dense + 0.5", kind="hierarchical")
    history = []
    for number in range(24):
        proposal = proposer(history, True)
        values = toy.score(proposal)
        if proposal.plan.ratio > 0.7:
            values["loss"] = value
        history.append(toy.told(proposal, number, values))
    lost = [not np.isfinite(read(t).values["loss"]) for t in history]
    modelled = [t.params["channel.local"] != "none" for t in history]
    assert sum(lost[:8]) >= 2
    assert sum(modelled[8:]) >= 6
    assert sum(lost[12:]) <= 3
