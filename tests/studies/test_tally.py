"""Counts that look at a trial until it is finished."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState, create_trial

from hierprune.studies.tally import Tally

STATES = [TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING, TrialState.WAITING]


def trial(
    number: int, state: TrialState, rung: int = 0, retry_of: int | None = None
) -> FrozenTrial:
    attributes = {"plan": {}, "rung": rung}
    if retry_of is not None:
        attributes["retry_of"] = retry_of
    value = 1.0 if state == TrialState.COMPLETE else None
    frozen = create_trial(state=state, value=value, user_attrs=attributes)
    frozen.number = number
    return frozen


def tally_of(trials: list[FrozenTrial]) -> Tally:
    tally = Tally()
    tally.update(trials)
    return tally


def test_counts_by_state_and_rung() -> None:
    states = [*STATES, TrialState.COMPLETE, TrialState.COMPLETE]
    rungs = [0, 0, 0, 1, 2, 0]
    trials = [trial(n, s, r) for n, (s, r) in enumerate(zip(states, rungs, strict=True))]
    tally = tally_of(trials)
    assert tally.counts() == {
        "complete": 2, "failed": 1, "running": 1, "waiting": 1, "rungs": [2, 0, 1],
    }  # fmt: skip
    assert tally.plans() == 3


def test_an_interrupted_trial_is_no_failure_and_counts_once() -> None:
    trials = [trial(0, TrialState.FAIL), trial(1, TrialState.WAITING, retry_of=0)]
    tally = tally_of(trials)
    assert tally.counts()["failed"] == 0
    assert tally.plans() == 1
    assert tally.retry(0) == 1
    assert tally.retry(1) is None


def test_a_copy_that_is_stored_already_counts_for_the_trial_it_repeats() -> None:
    tally = tally_of([trial(0, TrialState.RUNNING), trial(1, TrialState.WAITING, retry_of=0)])
    assert tally.plans() == 1


def test_chains_of_repetitions_are_followed_to_their_end() -> None:
    fail = TrialState.FAIL
    trials = [trial(0, fail), trial(1, fail), trial(2, fail, retry_of=0), trial(3, fail, 0, 2)]
    tally = tally_of(trials)
    assert [tally.last_attempt(n) for n in range(4)] == [3, 1, 3, 3]
    assert tally.counts()["failed"] == 2


def test_trials_of_others_are_not_counted() -> None:
    stranger = create_trial(state=TrialState.COMPLETE, value=0.0)
    stranger.number = 0
    tally = tally_of([stranger, trial(1, TrialState.COMPLETE)])
    assert tally.counts()["complete"] == 1


@given(steps=st.lists(st.lists(st.sampled_from(STATES), max_size=4), min_size=1, max_size=6))
def test_looking_again_and_again_gives_what_one_look_gives(steps: list[list[TrialState]]) -> None:
    tally, trials = Tally(), list[FrozenTrial]()
    for states in steps:
        trials = [
            trial(t.number, TrialState.FAIL) if t.state == TrialState.RUNNING else t for t in trials
        ]
        trials += [trial(len(trials) + i, s) for i, s in enumerate(states)]
        tally.update(trials)
    assert tally.counts() == tally_of(trials).counts()
    assert tally.plans() == tally_of(trials).plans()
