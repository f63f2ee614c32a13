"""Where a study stands, against what the whole record says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from hierprune.studies.standing import Standing
from hierprune.studies.study import Study


@pytest.fixture
def opened(finished: Path) -> Study:
    return Study.open(finished / "study")


def shifted(trials: list[FrozenTrial], seconds: int) -> list[FrozenTrial]:
    """The same trials, each of two seconds, one after the other with pauses in between."""
    for i, trial in enumerate(trials):
        trial.datetime_start = trials[0].datetime_start + timedelta(seconds=i * seconds)
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=2)
    return trials


@pytest.mark.parametrize("step", [1, 3, 100])
def test_it_agrees_with_the_whole_record_however_it_is_read(opened: Study, step: int) -> None:
    trials, standing = opened.frozen(), Standing(opened.record)
    for count in [*range(step, len(trials), step), len(trials)]:
        standing.update(trials[:count])
    status = standing.status(opened.counts())
    assert status.front == len(opened.front_records())
    assert status.hypervolume == pytest.approx(opened.hypervolume())
    assert list(status.volumes) == sorted(status.volumes)
    assert status.best["accuracy"].value == max(r.values["accuracy"] for r in opened.finished())
    assert status.best["params"].value == min(r.values["params"] for r in opened.finished())
    assert [t.number for t in status.ended] == [t.number for t in trials]
    assert standing.status(opened.counts()).ended == ()
    assert status.done
    assert status.remaining == 0


def test_constraints_have_a_best_of_their_own(opened: Study) -> None:
    dense = opened.record.dense.values["params"]
    bound = sorted(r.values["params"] for r in opened.finished())[1]
    standing = Standing(replace(opened.record, where=(f"params >= {bound}",)))
    standing.update(opened.frozen())
    status = standing.status(opened.counts())
    assert status.allowed["params"].value == bound < dense
    assert status.best["params"].value < bound
    standing = Standing(replace(opened.record, where=("params < 0",)))
    standing.update(opened.frozen())
    assert standing.status(opened.counts()).allowed == {}


def test_pauses_are_no_search_and_the_pace_tells_the_rest(opened: Study) -> None:
    trials = shifted(opened.frozen(), seconds=60)
    standing = Standing(replace(opened.record, n_trials=10))
    standing.update(trials)
    status = standing.status(opened.counts() | {"running": 2})
    assert status.seconds == pytest.approx(2 * len(trials))
    assert status.remaining == pytest.approx((10 - len(trials)) * 2 / 2)
    assert not status.done


def test_the_last_failure_is_kept_and_a_running_trial_waits(opened: Study) -> None:
    trials = opened.frozen()
    standing = Standing(opened.record)
    trials[1].state = TrialState.RUNNING
    standing.update(trials)
    assert 1 not in [t.number for t in standing.status(opened.counts()).ended]
    trials[1].state = TrialState.FAIL
    trials[1].user_attrs["outcome"] = {"error": "Traceback\nValueError: no", "kind": "exception"}
    standing.update(trials)
    status = standing.status(opened.counts())
    assert [t.number for t in status.ended] == [1]
    assert status.failure == "trial 1: ValueError: no"
