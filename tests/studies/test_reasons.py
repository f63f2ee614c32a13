"""Why a model was picked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hierprune.search.history import Record
from hierprune.studies.reasons import reasons
from hierprune.studies.run_record import ObjectiveInfo, RunRecord

INFOS = (ObjectiveInfo("accuracy", "", "maximize"), ObjectiveInfo("latency", "ms", "minimize"))


@pytest.fixture
def record(finished: Path) -> RunRecord:
    return replace(RunRecord.load(finished / "study"), objectives=INFOS)


def trial(number: int, accuracy: float, latency: float) -> Record:
    values = {"accuracy": accuracy, "latency": latency}
    interval = {"accuracy": (accuracy - 0.05, accuracy + 0.05)}
    return Record(number, 0, None, None, {}, values, interval, {}, {})


FRONT = [trial(0, 0.99, 4.0), trial(1, 0.96, 2.0), trial(2, 0.9, 1.0), trial(3, 0.5, 0.5)]


def test_neighbours_are_the_next_better_ones_and_say_what_they_cost(record: RunRecord) -> None:
    assert reasons(record, FRONT, FRONT[1], ("accuracy >= 0.9",), "latency") == [
        "Trial 1 is the best in latency among the trials with accuracy >= 0.9.",
        "The next better accuracy is trial 0: accuracy 0.9600 -> 0.9900 (within its 95 % "
        "interval); latency 2.000 -> 4.000 ms (+100.0%).",
        "The next better latency is trial 2: latency 2.000 -> 1.000 ms (-50.0%); "
        "accuracy 0.9600 -> 0.9000.",
    ]


def test_the_ends_of_the_front_have_nothing_better(record: RunRecord) -> None:
    first, accuracy, latency = reasons(record, FRONT, FRONT[0])
    assert first.startswith("Trial 0 is the knee of the front")
    assert first.endswith("among all trials.")
    assert accuracy == "Nothing on the front has better accuracy."
    assert "trial 1" in latency


def test_a_trial_off_the_front_names_what_beats_it(record: RunRecord) -> None:
    found = reasons(record, FRONT, trial(9, 0.9, 1.5), asked=True)
    assert found[:2] == [
        "Trial 9 was asked for.",
        "It is not on the front: no objective is worse in trial 2.",
    ]
