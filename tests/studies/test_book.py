"""The list of trials is kept up to date at the cost of what changed."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState
from toy import DIRECTIONS, proposal

from hierprune.studies.book import Book
from hierprune.studies.records import first_attempt, next_attempt
from hierprune.studies.storage import open_storage
from hierprune.studies.trial import Outcome


def open_book(run: Path) -> Book:
    return Book(open_storage(run), "s", DIRECTIONS)


def good(number: int) -> Outcome:
    return Outcome(number, values={"accuracy": 0.9, "latency": 2.0, "size": 3.0})


def test_two_books_of_one_study_agree_after_every_write(tmp_path: Path) -> None:
    one, two = open_book(tmp_path), open_book(tmp_path)

    def same() -> bool:
        return list(one.trials()) == list(two.trials())

    assert same()
    numbers = [one.add(first_attempt(proposal(i), "me")) for i in range(3)]
    assert numbers == [0, 1, 2]
    assert same()
    two.finish(good(1))
    two.add(next_attempt(two.trials()[0], 2))
    assert same()
    assert one.claim(3, "you")
    assert not two.claim(3, "me")
    assert same()
    two.finish(Outcome(0, error="it broke", kind="exception"))
    assert same()
    states = [t.state.name for t in one.trials()]
    assert states == ["FAIL", "COMPLETE", "RUNNING", "RUNNING"]
    assert one.trials()[1].values == [0.9, 2.0, 3.0]
    assert one.tally.counts() == two.tally.counts()


def test_finished_trials_are_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = open_book(tmp_path)
    for i in range(20):
        book.add(first_attempt(proposal(i), "me"))
        book.finish(good(i))
    book.add(first_attempt(proposal(20), "me"))
    book.trials()
    read = []
    get_trial = book._storage.get_trial
    monkeypatch.setattr(book._storage, "get_trial", lambda i: read.append(i) or get_trial(i))
    assert book.trials()[20].state == TrialState.RUNNING
    assert read == [20]
