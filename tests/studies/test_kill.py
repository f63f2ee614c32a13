"""Launchers killed at random: no result is lost, doubled, or left running."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
from chaos import Launcher, audit, orphans, run_to_end, storm, survivors
from optuna.trial import FrozenTrial, TrialState
from toy import DIRECTIONS

from hierprune.studies.ledger import Ledger
from hierprune.studies.storage import open_storage


@pytest.mark.slow
@pytest.mark.usefixtures("_ray_alone")
@pytest.mark.parametrize(("executor", "rounds"), [("local", 4), ("ray", 2)])
def test_a_launcher_killed_again_and_again_loses_nothing(
    tmp_path: Path, executor: str, rounds: int
) -> None:
    options = ["--trials", "30", "--seconds", "0.1", "--promote", "--executor", executor]
    kills = storm([Launcher(tmp_path, options)], rounds=rounds, rng=random.Random(0))
    run_to_end(Launcher(tmp_path, options))
    found = audit(tmp_path)
    assert kills == rounds
    assert found.faults(expected=30) == []
    assert promoted(tmp_path) == expected_promotions(tmp_path)


def promoted(run: Path) -> list[int]:
    """Numbers of the plans that went up a rung and finished there, once for every time."""
    return sorted(t.user_attrs["parent"] for t in complete(run) if t.user_attrs["rung"] == 1)


def expected_promotions(run: Path) -> list[int]:
    """Those of which the toy's strategy sends every one up: seeds that three divides."""
    plans = [t for t in complete(run) if t.user_attrs["rung"] == 0]
    return [t.number for t in plans if t.user_attrs["plan"]["seed"] % 3 == 0]


def complete(run: Path) -> list[FrozenTrial]:
    """The finished trials of a run."""
    with Ledger(open_storage(run), run, DIRECTIONS, lambda *_: None, 0) as ledger:
        return [t for t in ledger.trials() if t.state == TrialState.COMPLETE]


@pytest.mark.slow
def test_two_launchers_killed_in_turn_keep_the_budget(tmp_path: Path) -> None:
    options = ["--trials", "30", "--seconds", "0.1", "--workers", "1"]
    launchers = [Launcher(tmp_path, options), Launcher(tmp_path, options)]
    storm(launchers, rounds=4, rng=random.Random(1))
    run_to_end(Launcher(tmp_path, options))
    assert audit(tmp_path).faults(expected=30) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    launcher = Launcher(tmp_path, ["--trials", "1000", "--seconds", "0.05"])
    launcher.start()
    launcher.wait_for_results(3)
    launcher.send(number)
    assert launcher.wait() == 0
    found = audit(tmp_path)
    assert found.faults(expected=found.complete) == []
    assert found.complete >= 3


def test_what_a_launcher_started_is_told_from_all_else(tmp_path: Path) -> None:
    launcher = Launcher(tmp_path, ["--trials", "1000", "--seconds", "0.05"])
    launcher.start()
    launcher.wait_for_results(3)
    assert launcher.process is not None
    assert survivors(tmp_path) == {launcher.process.pid, *launcher.workers()}
    assert orphans(tmp_path, patience=0) == 3
    assert survivors(tmp_path / "another") == set()
    launcher.send(signal.SIGTERM)
    launcher.wait()
    assert orphans(tmp_path) == 0


def started(run: Path) -> int:
    """Trials that were handed to a launcher."""
    journal = run / "study.jsonl"
    return journal.read_text().count('"owner"') if journal.exists() else 0


LONG = ["--trials", "4", "--seconds", "60"]


@pytest.mark.slow
@pytest.mark.usefixtures("_ray_alone")
@pytest.mark.parametrize("executor", ["local", "ray"])
@pytest.mark.parametrize("how", ["requeue", "second signal"])
def test_running_trials_go_back_at_once_and_are_not_counted(
    tmp_path: Path, executor: str, how: str
) -> None:
    requeue = ["--requeue"] if how == "requeue" else []
    launcher = Launcher(tmp_path, [*LONG, "--executor", executor, *requeue])
    launcher.start()
    while started(tmp_path) < 2:
        assert launcher.running()
        time.sleep(0.05)
    time.sleep(0.5)
    launcher.send(signal.SIGTERM)
    if how == "second signal":
        time.sleep(0.2)
        assert launcher.running()
        launcher.send(signal.SIGINT)
    stopped = time.monotonic()
    code = launcher.wait()
    assert time.monotonic() - stopped < 40  # trials take 60 seconds
    assert (code == 0) == (how == "requeue")
    assert orphans(tmp_path) == 0
    run_to_end(Launcher(tmp_path, ["--trials", "4", "--seconds", "0"]))
    found = audit(tmp_path)
    assert found.faults(expected=4) == []
    assert found.interrupted == 2
    with Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, lambda *_: None, 0) as ledger:
        assert {t.user_attrs["attempt"] for t in ledger.trials()} == {1}
