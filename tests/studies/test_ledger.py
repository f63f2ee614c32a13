"""Ask, tell, recover: the budget, the repetitions, and what is written."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState
from toy import DIRECTIONS, proposer

from hierprune.errors import UsageError
from hierprune.search.proposal import Propose
from hierprune.search.stopping import Stop
from hierprune.studies.ledger import ALLOWED_FAILURES, MAX_ATTEMPTS, Ledger
from hierprune.studies.spool import Spool
from hierprune.studies.storage import JOURNAL, open_storage
from hierprune.studies.trial import Outcome, Trial

Stopping = Callable[[Sequence[FrozenTrial]], Stop | None]


def open_ledger(run: Path, n_trials: int = 5, propose: Propose | None = None) -> Ledger:
    return Ledger(open_storage(run), run, DIRECTIONS, propose or proposer(), n_trials)


def die(ledger: Ledger) -> None:
    """What the kernel does to a launcher that is killed: its lock goes."""
    ledger._pulse.close()


def good(trial: Trial) -> Outcome:
    values = {"size": 3.0, "latency": 2.0, "accuracy": trial.number / 100}
    return Outcome(trial.number, values, seconds={"cut": 0.1}, attempt=trial.attempt)


def bad(trial: Trial, kind: str = "exception") -> Outcome:
    return Outcome(trial.number, error="it broke", kind=kind, attempt=trial.attempt)


def asked(ledger: Ledger) -> Trial:
    trial = ledger.ask()
    assert trial is not None
    return trial


def finish_all(ledger: Ledger) -> list[Trial]:
    trials = []
    while (trial := ledger.ask()) is not None:
        ledger.tell(good(trial))
        trials.append(trial)
    return trials


def test_a_study_ends_when_its_plans_are_finished(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        assert [t.number for t in finish_all(ledger)] == [0, 1, 2, 3, 4]
        assert ledger.counts() == {
            "complete": 5, "failed": 0, "running": 0, "waiting": 0, "rungs": [5],
        }  # fmt: skip


def test_values_are_stored_in_the_order_of_the_objectives(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 2) as ledger:
        finish_all(ledger)
        stored = ledger.trials()[1]
    assert stored.values == [0.01, 2.0, 3.0]
    assert stored.user_attrs["outcome"]["seconds"] == {"cut": 0.1}
    assert stored.user_attrs["rung"] == 0
    assert stored.user_attrs["attempt"] == 1


def test_one_write_at_ask_and_two_at_tell(tmp_path: Path) -> None:
    def lines() -> int:
        return (tmp_path / JOURNAL).read_bytes().count(b"\n")

    with open_ledger(tmp_path) as ledger:
        start = lines()
        trial = asked(ledger)
        assert lines() == start + 1
        ledger.tell(good(trial))
        assert lines() == start + 3


def test_the_plan_comes_back_as_it_was_proposed(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        first = asked(ledger)
    with open_ledger(tmp_path) as ledger:
        again = asked(ledger)
    assert again.plan == first.plan
    assert again.number != first.number


def test_failures_do_not_count(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 3) as ledger:
        for kind in ("exception", "timeout", "non-finite"):
            ledger.tell(bad(asked(ledger), kind))
        finish_all(ledger)
        assert ledger.counts()["complete"] == 3
        assert ledger.counts()["failed"] == 3
        kinds = [t.user_attrs["outcome"]["kind"] for t in ledger.trials()[:3]]
    assert kinds == ["exception", "timeout", "non-finite"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None])
def test_a_value_that_is_no_number_fails_the_trial(tmp_path: Path, value: float | None) -> None:
    with open_ledger(tmp_path) as ledger:
        outcome = good(asked(ledger))
        values = dict(outcome.values)
        if value is None:
            del values["latency"]
        else:
            values["latency"] = value
        ledger.tell(replace(outcome, values=values))
        stored = ledger.trials()[0]
    assert stored.state == TrialState.FAIL
    assert stored.user_attrs["outcome"]["kind"] == "non-finite"
    assert "'latency' is" in stored.user_attrs["outcome"]["error"]


def test_a_dead_workers_trial_is_repeated_up_to_the_cap(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 1) as ledger:
        first = asked(ledger)
        attempts = [first]
        ledger.tell(bad(first, "died"))
        while len(attempts) < MAX_ATTEMPTS:
            trial = asked(ledger)
            attempts.append(trial)
            ledger.tell(bad(trial, "died"))
        assert [t.attempt for t in attempts] == [1, 2, 3]
        assert {t.plan.digest() for t in attempts} == {first.plan.digest()}
        assert ledger.counts()["failed"] == 1
        assert "attempt 3 of 3" in ledger.trials()[2].user_attrs["outcome"]["error"]
        other = asked(ledger)
    assert other.attempt == 1
    assert other.plan != first.plan


def test_rungs_come_on_top_of_the_budget(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 6, proposer(promote=True)) as ledger:
        trials = finish_all(ledger)
        counts = ledger.counts()
    assert counts["complete"] == 6
    assert counts["rungs"] == [6, sum(t.rung for t in trials)]
    assert all(trials[t.parent].rung == 0 for t in trials if t.parent is not None)


def after(plans: int, rule: Literal["until", "patience"]) -> Stopping:
    """Ends a study when so many trials are complete."""

    def judge(trials: Sequence[FrozenTrial]) -> Stop | None:
        done = sum(t.state == TrialState.COMPLETE for t in trials)
        return Stop(rule, "enough") if done >= plans else None

    return judge


def open_stopping(run: Path, rule: Literal["until", "patience"]) -> Ledger:
    storage = open_storage(run)
    return Ledger(storage, run, DIRECTIONS, proposer(promote=True), 9, stopping=after(4, rule))


@pytest.mark.parametrize("rule", ["until", "patience"])
def test_all_launchers_end_when_the_record_says_so(
    tmp_path: Path, rule: Literal["until", "patience"]
) -> None:
    with open_stopping(tmp_path, rule) as one, open_stopping(tmp_path, rule) as other:
        for trial in [asked(one), asked(one), asked(other), asked(other)]:
            (one if trial.number < 2 else other).tell(good(trial))
        later = finish_all(other)
        assert one.ask() is None
        assert [t.rung for t in later] == ([] if rule == "until" else [1, 1])
    with open_stopping(tmp_path, rule) as again:
        assert again.ask() is None


def test_a_trial_that_was_begun_is_finished_after_the_end(tmp_path: Path) -> None:
    dead = open_stopping(tmp_path, "until")
    begun = [asked(dead) for _ in range(5)]
    for trial in begun[:4]:
        dead.tell(good(trial))
    die(dead)
    with open_stopping(tmp_path, "until") as ledger:
        ledger.recover()
        assert [t.plan for t in finish_all(ledger)] == [begun[4].plan]


def test_a_strategy_that_ignores_the_budget_is_told_so(tmp_path: Path) -> None:
    def greedy(trials: object, fresh: bool) -> object:
        return proposer()([], True)

    with open_ledger(tmp_path, 1, greedy) as ledger:  # type: ignore[arg-type]
        ledger.tell(good(asked(ledger)))
        with pytest.raises(ValueError, match="budget of 1 plans is spent"):
            ledger.ask()


def test_a_dead_launchers_trials_are_repeated(tmp_path: Path) -> None:
    dead = open_ledger(tmp_path)
    running = [asked(dead), asked(dead)]
    die(dead)
    with open_ledger(tmp_path) as ledger:
        assert ledger.recover() == 2
        assert ledger.counts()["waiting"] == 2
        assert ledger.recover() == 0
        again = [asked(ledger), asked(ledger)]
        assert [t.plan for t in again] == [t.plan for t in running]
        assert [t.attempt for t in again] == [2, 2]
        for trial in again:
            ledger.tell(good(trial))
        finish_all(ledger)
        assert ledger.counts()["complete"] == 5
        assert list((tmp_path / "alive").iterdir()) == [
            tmp_path / "alive" / f"{ledger.owner}.alive"
        ]


def test_a_living_launchers_trials_are_left_alone(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as one, open_ledger(tmp_path) as two:
        trial = asked(one)
        assert two.recover() == 0
        one.tell(good(trial))
        assert two.counts()["complete"] == 1


def test_a_spooled_result_is_adopted(tmp_path: Path) -> None:
    dead = open_ledger(tmp_path, 1)
    trial = asked(dead)
    die(dead)
    Spool(tmp_path / "spool").put(good(trial))
    with open_ledger(tmp_path, 1) as ledger:
        assert ledger.ask() is None
        assert ledger.counts()["complete"] == 1
        assert len(ledger.trials()) == 1
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_crash_between_copy_and_close_repeats_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = open_ledger(tmp_path)
    asked(dead)
    die(dead)
    crashing = open_ledger(tmp_path)

    def crash(_: Outcome) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(crashing._book, "finish", crash)
    with pytest.raises(KeyboardInterrupt):
        crashing.recover()
    die(crashing)
    with open_ledger(tmp_path) as ledger:
        ledger.recover()
        assert ledger.counts()["waiting"] == 1
        assert ledger.counts()["running"] == 0
        assert len(ledger.trials()) == 2


def test_a_crash_while_claiming_leaves_no_orphan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.tell(bad(asked(ledger), "died"))
    crashing = open_ledger(tmp_path)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(crashing._book._storage, "set_trial_user_attr", crash)
    with pytest.raises(KeyboardInterrupt):
        crashing.ask()
    die(crashing)
    with open_ledger(tmp_path) as ledger:
        assert ledger.recover() == 1
        assert ledger.counts()["running"] == 0
        assert asked(ledger).attempt == 3


def test_a_late_result_goes_to_the_repetition_that_waits(tmp_path: Path) -> None:
    slow = open_ledger(tmp_path, 1)
    trial = asked(slow)
    die(slow)
    with open_ledger(tmp_path, 1) as ledger:
        ledger.recover()
        slow.tell(good(trial))
        assert ledger.counts()["complete"] == 1
        assert ledger.ask() is None
        assert ledger.trials()[1].user_attrs["retry_of"] == 0


def test_a_late_result_is_kept_beside_the_repetition_that_runs(tmp_path: Path) -> None:
    slow = open_ledger(tmp_path, 1)
    trial = asked(slow)
    die(slow)
    with open_ledger(tmp_path, 1) as ledger:
        again = asked(ledger)
        slow.tell(good(trial))
        ledger.tell(good(again))
        assert ledger.counts()["complete"] == 1
        late = ledger._book.study.user_attrs["late:0"]
    assert Outcome.from_json(late) == good(trial)


def test_an_owner_who_lives_after_all_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = open_ledger(tmp_path, 1)
    trial = asked(slow)
    die(slow)
    with open_ledger(tmp_path, 1) as ledger:
        add = ledger._book.add

        def overtaken(frozen: FrozenTrial) -> int:
            slow.tell(good(trial))
            return add(frozen)

        monkeypatch.setattr(ledger._book, "add", overtaken)
        monkeypatch.setattr(slow, "_record_late", lambda _: None)
        ledger.recover()
        assert ledger.ask() is None
        assert [t.state for t in ledger.trials()] == [TrialState.COMPLETE, TrialState.FAIL]


def test_a_late_spool_file_is_adopted(tmp_path: Path) -> None:
    dead = open_ledger(tmp_path, 1)
    trial = asked(dead)
    die(dead)
    with open_ledger(tmp_path, 1) as ledger:
        ledger.recover()
        Spool(tmp_path / "spool").put(good(trial))
        ledger.recover()
        assert ledger.counts()["complete"] == 1
    assert list((tmp_path / "spool").iterdir()) == []


def test_telling_twice_changes_nothing(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 1) as ledger:
        trial = asked(ledger)
        ledger.tell(good(trial))
        ledger.tell(bad(trial))
        assert ledger.trials()[0].state == TrialState.COMPLETE
        assert ledger.counts()["failed"] == 0


def test_closing_hands_running_trials_on_with_their_attempt(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        asked(ledger)
    with open_ledger(tmp_path) as ledger:
        assert ledger.counts()["running"] == 0
        assert ledger.counts()["failed"] == 0
        assert asked(ledger).attempt == 1
    assert list((tmp_path / "alive").iterdir()) == []


def test_two_launchers_keep_the_budget(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 7) as one, open_ledger(tmp_path, 7) as two:
        running = []
        for ledger in (one, two) * 5:
            trial = ledger.ask()
            if trial is not None:
                running.append((ledger, trial))
        assert len(running) == 7
        for ledger, trial in running:
            ledger.tell(good(trial))
        assert one.ask() is None
        assert two.counts()["complete"] == 7


def test_a_broken_task_ends_the_study(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 100) as ledger:
        told = 0
        while (trial := ledger.ask()) is not None:
            ledger.tell(bad(trial))
            told += 1
        assert told == ALLOWED_FAILURES + 1
        assert "11 trials failed and 0 did not" in ledger.failing()
        assert "it broke" in ledger.failing()
    with open_ledger(tmp_path, 100) as ledger:
        assert ledger.failing() == ""
        assert ledger.ask() is not None


def test_one_failure_in_two_does_not_end_the_study(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 20) as ledger:
        while (trial := ledger.ask()) is not None:
            ledger.tell(good(trial) if trial.number % 2 else bad(trial))
        assert ledger.counts()["complete"] == 20


def test_other_objectives_are_refused(tmp_path: Path) -> None:
    open_ledger(tmp_path).close()
    for other in ({"accuracy": "maximize"}, DIRECTIONS | {"size": "maximize"}):
        with pytest.raises(UsageError, match="objectives of a study stay"):
            Ledger(open_storage(tmp_path), tmp_path, other, proposer(), 5)


def test_a_full_disk_at_tell_loses_only_the_telling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(tmp_path, 2)
    ledger.tell(good(asked(ledger)))
    trial = asked(ledger)
    Spool(tmp_path / "spool").put(good(trial))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", full)
        with pytest.raises(OSError, match="everything recorded before is safe"):
            ledger.tell(good(trial))
        ledger.close()
    with open_ledger(tmp_path, 2) as ledger:
        assert ledger.ask() is None
        assert ledger.counts()["complete"] == 2


ACTIONS = st.lists(
    st.sampled_from(["ask", "good", "bad", "died", "killed", "recover"]), max_size=25
)


@settings(max_examples=25, deadline=None)
@given(actions=ACTIONS)
def test_whatever_happens_the_study_ends_with_its_budget(
    tmp_path_factory: pytest.TempPathFactory, actions: list[str]
) -> None:
    run = tmp_path_factory.mktemp("run")
    ledger, running = open_ledger(run, 4), []
    for action in actions:
        if action == "ask" and (trial := ledger.ask()):
            running.append(trial)
        elif action == "killed":
            die(ledger)
            ledger, running = open_ledger(run, 4), []
        elif action == "recover":
            ledger.recover()
        elif action != "ask" and running:
            trial = running.pop(0)
            ledger.tell(good(trial) if action == "good" else bad(trial, action))
    for trial in running:
        ledger.tell(good(trial))
    finish_all(ledger)
    counts = ledger.counts()
    assert (counts["complete"], counts["running"], counts["waiting"]) == (4, 0, 0)
    digests = [str(t.user_attrs["plan"]) for t in ledger.trials() if t.values]
    assert len(set(digests)) == len(digests)
    ledger.close()
