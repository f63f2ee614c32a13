"""Recipes by name, and the outcome of whatever a recipe does."""

from __future__ import annotations

import json
import math

import pytest
from toy import proposal

from hierprune.errors import UsageError
from hierprune.studies.executor import RecipeSpec, cannot_build, evaluate
from hierprune.studies.trial import Outcome, Trial

TRIAL = Trial(7, proposal(0).plan, attempt=2)


def test_a_recipe_is_built_by_name() -> None:
    spec = RecipeSpec("toy:chatty", {"anything": 1})
    assert callable(spec.build())
    assert RecipeSpec(**json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize("factory", ["toy", "toy:", ":chatty", ""])
def test_a_factory_must_be_named(factory: str) -> None:
    with pytest.raises(UsageError, match=r"must read 'package.module:callable', got"):
        RecipeSpec(factory).build()


def test_an_outcome_answers_its_trial_in_plain_numbers() -> None:
    class Number:
        def __float__(self) -> float:
            return 0.5

    odd = Outcome(0, values={"a": Number()}, interval={"a": (Number(), Number())})  # type: ignore[dict-item]
    outcome = evaluate(lambda _: odd, TRIAL)
    assert outcome == Outcome(7, values={"a": 0.5}, interval={"a": (0.5, 0.5)}, attempt=2)
    assert json.loads(json.dumps(outcome.to_json()))["attempt"] == 2


def test_numbers_that_are_none_come_through_to_be_judged_by_the_ledger() -> None:
    outcome = evaluate(lambda _: Outcome(7, values={"a": math.nan}), TRIAL)
    assert math.isnan(outcome.values["a"])


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError("much"), SystemExit(2)])
def test_what_a_recipe_raises_is_its_outcome(error: BaseException) -> None:
    def recipe(trial: Trial) -> Outcome:
        raise error

    outcome = evaluate(recipe, TRIAL)
    assert (outcome.number, outcome.attempt, outcome.kind) == (7, 2, "exception")
    assert f"{type(error).__name__}: {error}" in outcome.error


def test_what_a_recipe_gives_back_must_be_an_outcome() -> None:
    outcome = evaluate(lambda _: None, TRIAL)  # type: ignore[arg-type, return-value]
    assert outcome.kind == "exception"


def test_ctrl_c_is_no_outcome() -> None:
    def recipe(trial: Trial) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(recipe, TRIAL)


def test_the_error_names_the_recipe_and_the_cause() -> None:
    assert str(cannot_build(RecipeSpec("a:b"), "cause")).splitlines() == [
        "the recipe 'a:b' cannot be built in a worker:",
        "cause",
    ]
