"""What a trial carries in the record of a study."""

from __future__ import annotations

import json
import math

import pytest
from optuna.trial import TrialState
from toy import DIRECTIONS, proposal

from hierprune.studies import records
from hierprune.studies.trial import Outcome, Trial

GOOD = Outcome(4, values=dict.fromkeys(DIRECTIONS, 0.5), interval={"size": (0.4, 0.6)})


def test_a_first_attempt_is_plain_json_and_comes_back_as_its_trial() -> None:
    made = proposal(3, parent=2, rung=1)
    frozen = records.first_attempt(made, "me")
    assert frozen.state == TrialState.RUNNING
    assert json.loads(json.dumps(frozen.user_attrs)) == frozen.user_attrs
    assert frozen.user_attrs["owner"] == "me"
    assert records.to_trial(frozen) == Trial(frozen.number, made.plan, 1, 2)


def test_a_next_attempt_keeps_the_plan_and_nothing_of_the_end() -> None:
    first = records.first_attempt(proposal(3), "me")
    first.number = 9
    first.user_attrs["outcome"] = {"kind": "died"}
    again = records.next_attempt(first, 2)
    assert again.state == TrialState.WAITING
    assert again.params == first.params
    assert again.user_attrs["plan"] == first.user_attrs["plan"]
    assert again.user_attrs["retry_of"] == 9
    assert again.user_attrs["attempt"] == 2
    assert not {"owner", "outcome"} & again.user_attrs.keys()


def test_a_good_outcome_passes() -> None:
    assert records.checked(GOOD, DIRECTIONS) == GOOD


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_every_faulty_value_is_named(value: float) -> None:
    outcome = Outcome(4, values={"accuracy": value, "size": 1.0})
    found = records.checked(outcome, DIRECTIONS)
    assert found.kind == "non-finite"
    assert found.values == {}
    assert f"'accuracy' is {value}" in found.error
    assert "'latency' is missing, there is accuracy, size" in found.error


def test_scores_beside_a_loss_of_nan_are_none() -> None:
    outcome = Outcome(4, values={**GOOD.values, "loss": math.nan})
    found = records.checked(outcome, DIRECTIONS)
    assert found.kind == "non-finite"
    assert found.values == {}
    assert "loss is NaN" in found.error
    infinite = Outcome(4, values={**GOOD.values, "loss": math.inf})
    assert records.checked(infinite, DIRECTIONS) == infinite


@pytest.mark.parametrize(("kind", "error"), [("", "boom"), ("timeout", ""), ("died", "boom")])
def test_a_failure_has_a_kind_and_a_reason(kind: str, error: str) -> None:
    found = records.checked(Outcome(4, values={"size": 1.0}, kind=kind, error=error), DIRECTIONS)
    assert found.kind
    assert found.error
    assert found.values == {}


def test_the_record_of_an_outcome_is_plain_json() -> None:
    record = records.outcome_record(GOOD)
    assert json.loads(json.dumps(record)) == record
    assert record["interval"] == {"size": [0.4, 0.6]}
