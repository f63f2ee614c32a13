"""Recipes of training: drawn for promotions alone, a function of the history, better with time."""

import json
import math
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from optuna.trial import FrozenTrial, TrialState

from hierprune.errors import UsageError
from hierprune.pruners.plan import Recovery
from hierprune.search.history import current, read
from hierprune.search.recipes import PREFIX, Recipes, Tried, merits, next_recipe
from hierprune.search.rungs import Rungs
from hierprune.search.span import Span
from hierprune.search.strategy import Proposer

RECIPES = Recipes(lr=Span(1e-4, 1e-1), distil=(0.0, 0.5), schedule=("oneshot", "gradual"))


def made(toy: ModuleType, n_trials: int, max_epochs: float = 1.0) -> Proposer:
    plain = toy.make_proposer(n_trials, max_epochs, "random")
    return replace(plain, rungs=Rungs(max_epochs, n_trials), recipes=RECIPES)


def trained(history: list[FrozenTrial], rung: int = 1) -> list[FrozenTrial]:
    return [t for t in history if t.user_attrs["rung"] == rung]


def test_only_what_is_trained_has_a_recipe(toy: ModuleType) -> None:
    history = toy.play(made(toy, 40), 40)
    for t in history:
        assert any(k.startswith(PREFIX) for k in t.params) == (t.user_attrs["rung"] > 0)
        assert t.params.keys() == t.distributions.keys()
    assert len(trained(history)) >= 4
    for t in trained(history):
        recovery = t.user_attrs["plan"]["recovery"]
        assert recovery["lr"] == t.params["recipe.lr"]
        assert recovery["distil"] == t.params["recipe.distil"]
        assert recovery["schedule"] == t.params["recipe.schedule"]


def test_plans_of_rung_0_do_not_depend_on_recipes(toy: ModuleType) -> None:
    plain = toy.play(toy.make_proposer(20, 1.0, "random"), 20)
    history = toy.play(made(toy, 20), 20)
    assert [t.params for t in trained(plain, 0)] == [t.params for t in trained(history, 0)]


def test_the_first_is_the_middle_and_equal_histories_give_equal_recipes(toy: ModuleType) -> None:
    history = toy.play(made(toy, 40), 40)
    first, *rest = trained(history)
    assert first.params["recipe.lr"] == pytest.approx(math.sqrt(1e-5))
    assert (first.params["recipe.distil"], first.params["recipe.schedule"]) == (0.0, "oneshot")
    cut = rest[-1].number
    again = made(toy, 40)(history[:cut], False)
    assert again is not None
    assert again.params == history[cut].params
    assert again.plan.to_json() == history[cut].user_attrs["plan"]


def test_a_repeated_trial_counts_once(toy: ModuleType) -> None:
    history = toy.play(made(toy, 40), 40)
    lost = trained(history)[-1]
    before = history[: lost.number]
    again = toy.told(made(toy, 40)(before, False), len(before), None)
    repeat = toy.told(
        made(toy, 40)(before, False), len(before) + 1, {**read(lost).values}, retry_of=again.number
    )
    after_loss = made(toy, 40)._promote.tried([*before, again, repeat])
    assert len(after_loss) == len(trained(history))


def test_higher_rungs_keep_the_recipe_of_their_parent(toy: ModuleType) -> None:
    history = toy.play(made(toy, 40, max_epochs=8.0), 40)
    high = trained(history, 2)
    assert high
    for t in high:
        parent = history[t.user_attrs["parent"]]
        ours, theirs = (x.user_attrs["plan"]["recovery"] for x in (t, parent))
        assert {**ours, "epochs": 0} == {**theirs, "epochs": 0}
        assert ours["epochs"] > theirs["epochs"]


def test_a_plan_stands_once_whatever_trained_it(toy: ModuleType) -> None:
    history = toy.play(made(toy, 40), 40)
    records = [read(t) for t in history if t.state == TrialState.COMPLETE]
    parents = {r.parent for r in records if r.rung == 1}
    assert parents.isdisjoint(r.number for r in current(records))


def remaining(lr: float, distil: float, before: float) -> float:
    """A made-up truth: best at a rate of 3e-3 and with distillation."""
    return before * (0.1 + 0.3 * math.log10(lr / 3e-3) ** 2 + (0.0 if distil else 0.3))


def test_later_recipes_are_better_than_random_ones() -> None:
    late, early = [], []
    for seed in range(5):
        random, tried = np.random.default_rng(seed), []
        for _ in range(24):
            params, _ = next_recipe(RECIPES, tried, seed)
            before = float(random.uniform(0.02, 0.8))
            after = remaining(params["recipe.lr"], params["recipe.distil"], before)
            tried.append(Tried(params, before, after))
        shares = [t.after / t.before for t in tried if t.after is not None]
        early += shares[:8]
        late += shares[16:]
    assert np.mean(late) < 0.7 * np.mean(early)


def test_what_failed_is_worse_than_what_did_not_and_what_runs_has_no_merit() -> None:
    params = RECIPES.usual()
    tried = [Tried(params, 0.5, a) for a in (0.2, 0.4, math.nan, None)]
    found = merits(tried)
    assert found[3] is None
    assert found[0] < found[1] < found[2]  # type: ignore[operator]


def test_a_plan_that_had_lost_everything_spoils_no_merit() -> None:
    known = [Tried({}, before, 0.1) for before in (0.2, 0.4, 0.3)]
    found = merits([*known, Tried({}, math.inf, 0.1)])
    assert all(m is not None and math.isfinite(m) for m in found)
    assert found[3] == max(m for m in found if m is not None)


def test_merits_do_not_reward_plans_that_lost_much() -> None:
    """Everything trained to the same power of its loss: one recipe is as good as another."""
    tried = [Tried({}, b, b**1.4) for b in np.geomspace(0.02, 0.9, 12).tolist()]
    found = np.array(merits(tried), float)
    assert np.ptp(found) < 0.2 * np.ptp(np.log([t.before for t in tried]))


def test_recipes_as_plain_data() -> None:
    assert Recipes.from_json(json.loads(json.dumps(RECIPES.to_json()))) == RECIPES
    assert Recipes.from_json({}) == Recipes()
    assert Recipes().applied(Recovery(lr=0.5), {}) == Recovery(lr=0.5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lr": Span(0.0, 1e-3)}, "lr positive"),
        ({"distil": (0.5, 1.5)}, "distil must be in"),
        ({"schedule": ("gradul",)}, "did you mean 'gradual'"),
    ],
)
def test_ranges_and_names_are_checked(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Recipes(**options)  # type: ignore[arg-type]
