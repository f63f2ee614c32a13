"""Trackers that fail, hang or come late, beside a study that goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hierprune.studies.trackers import tracking
from hierprune.studies.trackers.base import Point, Told
from hierprune.studies.trackers.claims import Claims

Command = Callable[..., Any]
LAUNCH = (
    "launch stripes.py:task --run new --workers 0 --objectives accuracy,params --strategy random "
    "--trials 3 --track tensorboard"
)


class Kept:
    """A tracker that remembers, and fails at the trial that it is told to fail at."""

    def __init__(self, fails_at: int = -1) -> None:
        self.numbers: list[int] = []
        self.steps: list[int] = []
        self.fails_at = fails_at
        self.closed = False

    def trial(self, told: Told) -> None:
        if told.number == self.fails_at:
            raise ConnectionError("nobody answers\nlong story")
        self.numbers.append(told.number)

    def point(self, point: Point) -> None:
        self.steps.append(point.step)

    def close(self) -> None:
        self.closed = True


def use(monkeypatch: pytest.MonkeyPatch, tracker: object) -> None:
    monkeypatch.setattr(tracking, "tracker_class", lambda name: lambda run, record: tracker)


def test_a_failing_tracker_is_given_up_with_one_warning(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(fails_at=1)
    use(monkeypatch, kept)
    ended = command(*LAUNCH.split(), "--json")
    assert ended.code == 0
    assert ended.json["trials"]["complete"] == 3
    assert kept.numbers == [0]
    warning = "tensorboard was given up, the study goes on: ConnectionError: nobody answers"
    assert ended.err.count(warning) == 1
    assert "Traceback" not in ended.err


def refuse(*_: object) -> None:
    raise ImportError("no module named tensorboard")


@pytest.mark.parametrize("opened", [refuse, lambda name: refuse])
def test_a_tracker_that_cannot_be_opened_does_no_harm(
    opened: Callable[..., object], home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "tracker_class", opened)
    ended = command(*LAUNCH.split())
    assert ended.code == 0
    assert "tensorboard was given up" in ended.err


def test_a_tracker_that_hangs_is_left(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hangs(Kept):
        def trial(self, told: Told) -> None:
            freed.wait()

    freed = threading.Event()
    use(monkeypatch, Hangs())
    monkeypatch.setattr(tracking, "GRACE", 0.1)
    ended = command(*LAUNCH.split(), "--json")
    freed.set()
    assert ended.json["trials"]["complete"] == 3
    assert "it is still busy after 0.1 s" in ended.err


def test_a_tracker_that_comes_late_is_told_what_it_missed(
    study: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept()
    use(monkeypatch, kept)
    resume = ("resume", "study", "--workers", "0", "--trials")
    assert command(*resume, "4", "--track", "tensorboard").code == 0
    assert kept.numbers == [0, 1, 2, 3]
    assert kept.closed
    assert command(*resume, "5").code == 0
    assert kept.numbers == [0, 1, 2, 3, 4]
    assert kept.steps == [5]


def test_a_trial_is_claimed_by_one_launcher(tmp_path: Path) -> None:
    one, other = Claims(tmp_path / "a.told"), Claims(tmp_path / "a.told")
    assert [one.take(3), other.take(3), other.take(4), one.take(4)] == [True, False, True, False]
    one.close()
    other.close()
    again = Claims(tmp_path / "a.told")
    assert [again.take(n) for n in (3, 4, 5)] == [False, False, True]
    again.close()


@pytest.mark.parametrize(
    ("name", "says"), [("tensorbord", "did you mean 'tensorboard'"), ("wandb", "hierprune[wandb]")]
)
def test_trackers_are_checked_before_any_work(
    name: str, says: str, home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    ended = command("launch", "stripes.py:task", "--run", "new", "--track", name)
    assert ended.code == 2
    assert says in ended.err
    assert not (home / "new").exists()
