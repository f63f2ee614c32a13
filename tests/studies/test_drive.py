"""One launcher's way through a study, alone or beside others."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from toy import DIRECTIONS, proposer

from hierprune.studies import drive as drive_module
from hierprune.studies.drive import drive, starting_with
from hierprune.studies.executor import RecipeSpec
from hierprune.studies.ledger import Ledger
from hierprune.studies.local import LocalExecutor
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Ask, Outcome, Tell, Trial


class Never:
    """An executor that must not be called."""

    def run(self, recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event) -> None:
        raise AssertionError("there is nothing to run")


def open_ledger(run: Path, n_trials: int) -> Ledger:
    return Ledger(open_storage(run), run, DIRECTIONS, proposer(), n_trials)


def asked(ledger: Ledger) -> Trial:
    trial = ledger.ask()
    assert trial is not None
    return trial


def test_no_worker_is_started_for_a_finished_study(tmp_path: Path) -> None:
    with open_ledger(tmp_path, 1) as ledger:
        ledger.tell(Outcome(asked(ledger).number, dict.fromkeys(DIRECTIONS, 1.0)))
        drive(ledger, Never(), RecipeSpec("toy:recipe"), threading.Event())
        assert ledger.counts()["complete"] == 1


def test_nothing_is_started_after_a_stop(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with open_ledger(tmp_path, 1) as ledger:
        drive(ledger, Never(), RecipeSpec("toy:recipe"), stop)
        assert len(ledger.trials()) == 0


def test_a_launcher_waits_for_others_and_takes_over_when_they_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive_module, "POLL_SECONDS", 0.0125)
    other = open_ledger(tmp_path, 1)
    lost = asked(other)
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other._pulse.close()

    monkeypatch.setattr(drive_module.time, "sleep", sleep)
    with open_ledger(tmp_path, 1) as ledger:
        recipe = RecipeSpec("toy:recipe", {"run": str(tmp_path)})
        drive(ledger, LocalExecutor(0, tmp_path), recipe, threading.Event())
        assert ledger.counts() == {
            "complete": 1, "failed": 0, "running": 0, "waiting": 0, "rungs": [1],
        }  # fmt: skip
        assert ledger.trials()[1].user_attrs["retry_of"] == lost.number
    assert waits.count(0.0125) == 3


def test_the_first_trial_comes_first() -> None:
    plan = proposer()([], True).plan  # type: ignore[union-attr]
    rest = [Trial(1, plan), Trial(2, plan)]
    ask = starting_with(Trial(0, plan), lambda: rest.pop(0) if rest else None)
    assert [t.number if (t := ask()) else None for _ in range(4)] == [0, 1, 2, None]
