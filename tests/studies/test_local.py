"""Worker processes: every way a trial can end is told as what it was, and nobody is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from toy import DIRECTIONS, proposer

from hierprune.errors import UsageError
from hierprune.studies.drive import drive
from hierprune.studies.executor import RecipeSpec
from hierprune.studies.ledger import MAX_ATTEMPTS, Ledger
from hierprune.studies.local import LocalExecutor
from hierprune.studies.pool import how_it_ended
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome, Trial


def children() -> set[str]:
    """Worker processes of this process."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return {line for line in listed.stdout.splitlines() if "studies.worker" in line}


def run(
    folder: Path,
    workers: int,
    endings: list[str],
    *,
    trial_timeout: float | None = None,
    factory: str = "toy:recipe",
) -> Ledger:
    """A study whose first plans end as told, and six good ones in all."""
    rest = iter(endings)
    propose = proposer(ending=lambda _: next(rest, "ok"))
    executor = LocalExecutor(workers, folder, trial_timeout=trial_timeout)
    recipe = RecipeSpec(factory, {"run": str(folder)})
    with Ledger(open_storage(folder), folder, DIRECTIONS, propose, 6) as ledger:
        drive(ledger, executor, recipe, threading.Event())
    return ledger


KINDS = ("died", "timeout", "exception", "non-finite", "")


def told(ledger: Ledger, number: int) -> dict[str, str]:
    record: dict[str, str] = ledger.trials()[number].user_attrs["outcome"]
    return record


@pytest.mark.parametrize("workers", [0, 1])
def test_failures_are_told_as_what_they_were(tmp_path: Path, workers: int) -> None:
    ledger = run(tmp_path, workers, ["raise", "nan", "missing", "exit", "text"])
    kinds = [told(ledger, n)["kind"] for n in range(6)]
    assert kinds == ["exception", "non-finite", "non-finite", "exception", "exception", ""]
    assert "ZeroDivisionError: trial 0 divides by zero" in told(ledger, 0)["error"]
    assert "'latency' is nan" in told(ledger, 1)["error"]
    assert "'latency' is missing" in told(ledger, 2)["error"]
    assert "SystemExit: 3" in told(ledger, 3)["error"]
    assert ledger.counts()["complete"] == 6
    assert children() == set()


def test_a_trial_that_runs_out_of_memory_fails_alone(tmp_path: Path) -> None:
    ledger = run(tmp_path, 1, ["memory"])
    assert told(ledger, 0)["kind"] == "exception"
    assert "MemoryError" in told(ledger, 0)["error"]
    assert ledger.counts()["complete"] == 6


def test_one_worker_and_this_process_give_the_same_sequence(tmp_path: Path) -> None:
    here, there = (run(tmp_path / str(w), w, ["raise"]) for w in (0, 1))
    assert [(t.params, t.values, t.state) for t in here.trials()] == [
        (t.params, t.values, t.state) for t in there.trials()
    ]


def test_dead_and_hung_workers_are_replaced(tmp_path: Path) -> None:
    ledger = run(tmp_path, 2, ["kill", "hang", "kill once", "terminate once"], trial_timeout=1.5)
    counts = ledger.counts()
    assert (counts["complete"], counts["failed"], counts["running"]) == (6, 2, 0)
    records = {t.number: t.user_attrs["outcome"] for t in ledger.trials()}
    errors = {kind: [r["error"] for r in records.values() if r["kind"] == kind] for kind in KINDS}
    assert len(errors["died"]) == MAX_ATTEMPTS + 2
    assert "SIGKILL (when memory runs out" in errors["died"][0]
    assert len(errors["timeout"]) == 1
    assert "longer than 1.5 s" in errors["timeout"][0]
    once = {t.number for t in ledger.trials() if t.user_attrs["plan"]["criterion"] == "kill once"}
    assert [records[n]["kind"] for n in sorted(once)] == ["died", ""]
    assert children() == set()


def test_a_broken_factory_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"'toy:broken' cannot be built.*\n.*\n.*") as error:
        run(tmp_path, 2, [], factory="toy:broken")
    assert "FileNotFoundError: no dense weights here" in str(error.value)
    with Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, proposer(), 6) as ledger:
        assert ledger.counts()["running"] == 0
        assert ledger.counts()["failed"] == 0
    assert children() == set()


def test_a_factory_that_kills_its_process_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended by SIGSEGV; see .*worker-0\.log"):
        run(tmp_path, 1, [], factory="toy:dying")
    assert children() == set()


@pytest.mark.parametrize("factory", ["toy", "toy:", ":recipe"])
def test_a_factory_must_be_named(tmp_path: Path, factory: str) -> None:
    with pytest.raises(RuntimeError, match=r"package.module:callable"):
        run(tmp_path, 0, [], factory=factory)


def test_stop_lets_the_running_trials_finish(tmp_path: Path) -> None:
    stop = threading.Event()

    def tell(outcome: Outcome) -> None:
        ledger.tell(outcome)
        stop.set()

    recipe = RecipeSpec("toy:recipe", {"run": str(tmp_path), "seconds": 0.1})
    with Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, proposer(), 50) as ledger:
        LocalExecutor(2, tmp_path).run(recipe, ledger.ask, tell, stop)
        counts = ledger.counts()
    assert 1 <= counts["complete"] <= 3
    assert counts["running"] == 0


def test_a_tell_that_raises_leaves_no_worker(tmp_path: Path) -> None:
    def tell(outcome: Outcome) -> None:
        raise KeyboardInterrupt

    with Ledger(open_storage(tmp_path), tmp_path, DIRECTIONS, proposer(), 6) as ledger:
        recipe = RecipeSpec("toy:recipe", {"run": str(tmp_path)})
        with pytest.raises(KeyboardInterrupt):
            LocalExecutor(2, tmp_path).run(recipe, ledger.ask, tell, threading.Event())
        assert children() == set()


def collect(folder: Path, factory: str, trials: list[Trial]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    ask: Callable[[], Trial | None] = lambda: trials.pop(0) if trials else None  # noqa: E731
    LocalExecutor(1, folder).run(RecipeSpec(factory), ask, outcomes.append, threading.Event())
    return outcomes


def test_prints_go_to_the_log_and_threads_are_shared_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("hierprune.studies.local.cores", lambda: 7)
    (tmp_path / "spool").mkdir()
    plan = proposer()([], True).plan  # type: ignore[union-attr]
    (outcome,) = collect(tmp_path, "toy:chatty", [Trial(0, plan)])
    assert outcome.values == {"threads": 7.0}
    log = (tmp_path / "logs" / "worker-0.log").read_text()
    assert "a line on standard output" in log
    assert "a line of the C library" in log
    spooled = json.loads((tmp_path / "spool" / "0-1.json").read_text())
    assert spooled["values"] == {"threads": 7.0}


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="workers must be 0 or more, got -1"):
        LocalExecutor(-1, tmp_path)
    with pytest.raises(UsageError, match="trial_timeout must be positive, got 0"):
        LocalExecutor(1, tmp_path, trial_timeout=0)


def test_exit_codes_in_words() -> None:
    assert how_it_ended(3) == "the worker ended with exit code 3"
    assert how_it_ended(-11) == "the worker was ended by SIGSEGV"
