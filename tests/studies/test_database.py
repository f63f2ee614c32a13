"""The same promises on real databases: PostgreSQL on the loopback, and SQLite."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import Launcher, audit, run_to_end, storm
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from postgres import install, server
from toy import DIRECTIONS, proposal, proposer

from hierprune.studies.book import Book
from hierprune.studies.ledger import Ledger
from hierprune.studies.records import first_attempt, next_attempt
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The URL of a fresh server that ends with the module."""
    if missing := install():
        pytest.skip(missing)
    with server() as url:
        yield url


@pytest.fixture(params=["postgres", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/study.db"
    found: str = request.getfixturevalue("postgres")
    return found


def test_ask_tell_and_recover(tmp_path: Path, url: str) -> None:
    storage = open_storage(tmp_path, url)

    def open_ledger() -> Ledger:
        return Ledger(storage, tmp_path, DIRECTIONS, proposer(), 4, name="first")

    dead = open_ledger()
    lost = dead.ask()
    assert lost is not None
    dead._pulse.close()
    with open_ledger() as ledger:
        plans = []
        while (trial := ledger.ask()) is not None:
            plans.append(trial.plan)
            ledger.tell(Outcome(trial.number, dict.fromkeys(DIRECTIONS, 1.0)))
        assert plans[0] == lost.plan
        assert ledger.counts()["complete"] == len(plans) == 4
        assert ledger.trials()[0].user_attrs["outcome"]["kind"] == "died"
    close(storage)


def close(storage: BaseStorage) -> None:
    """Give back the connections, which are the process's as long as it lives."""
    assert isinstance(storage, RDBStorage)
    storage.engine.dispose()


def test_two_books_of_one_study_agree_after_every_write(tmp_path: Path, url: str) -> None:
    storage = open_storage(tmp_path, url)
    one, two = (Book(storage, "books", DIRECTIONS) for _ in range(2))

    def same() -> bool:
        return list(one.trials()) == list(two.trials())

    for i in range(3):
        one.add(first_attempt(proposal(i), "me"))
    assert same()
    two.finish(Outcome(1, dict.fromkeys(DIRECTIONS, 1.0)))
    two.add(next_attempt(two.trials()[0], 2))
    assert same()
    assert one.claim(3, "you")
    two.finish(Outcome(0, error="it broke", kind="exception"))
    assert same()
    states = [t.state.name for t in one.trials()]
    assert states == ["FAIL", "COMPLETE", "RUNNING", "RUNNING"]
    close(storage)


def test_trials_that_still_run_are_not_read_again(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(tmp_path, url)
    book = Book(storage, "reads", DIRECTIONS)
    for i in range(5):
        book.add(first_attempt(proposal(i), "me"))
    book.trials()
    book.finish(Outcome(3, dict.fromkeys(DIRECTIONS, 1.0)))
    book.add(first_attempt(proposal(5), "me"))
    read: list[int] = []
    monkeypatch.setattr(book, "read", lambda n, real=book.read: read.append(n) or real(n))
    assert [t.number for t in book.trials()] == list(range(6))
    assert read == [3]
    close(storage)


def test_a_launcher_seen_between_start_and_signature_keeps_its_trial(
    tmp_path: Path, url: str
) -> None:
    storage = open_storage(tmp_path, url)

    def open_ledger() -> Ledger:
        return Ledger(storage, tmp_path, DIRECTIONS, proposer(), 4, name="claimed")

    with open_ledger() as ours, open_ledger() as theirs:
        waiting = theirs._book.add(next_attempt(first_attempt(proposal(0), ""), 2))
        book = theirs._book
        storage.set_trial_state_values(book._id(waiting), TrialState.RUNNING)
        assert ours.trials()[waiting].user_attrs.get("owner") is None
        storage.set_trial_user_attr(book._id(waiting), "owner", theirs.owner)
        assert ours.recover() == 0
    close(storage)


@pytest.mark.slow
def test_two_launchers_killed_in_turn_keep_the_budget(tmp_path: Path, url: str) -> None:
    options = ["--trials", "20", "--seconds", "0.1", "--workers", "1", "--storage", url]
    launchers = [Launcher(tmp_path, options), Launcher(tmp_path, options)]
    storm(launchers, rounds=2, rng=random.Random(2))
    run_to_end(launchers[0])
    storage = open_storage(tmp_path, url)
    assert audit(tmp_path, storage).faults(expected=20) == []
    close(storage)
