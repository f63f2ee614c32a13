"""A study is prepared by one process at a time, whoever else launches or resumes it."""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from small import Heard, task

from hierprune.errors import UsageError
from hierprune.studies import launch
from hierprune.studies.pending import WAITING, Pending, is_pending, new_run, preparing
from hierprune.studies.request import Means, Request
from hierprune.studies.run_record import RunRecord
from hierprune.studies.study import Study

PATIENCE_SECONDS = 60.0
ALONE = Means(workers=0)


class Waits(Heard):
    """Knows once somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def note(self, text: str) -> None:
        super().note(text)
        if text == WAITING:
            self.waits.set()


def request(folder: Path) -> Request:
    url = f"sqlite:///{folder}/shared.db"
    return Request(objectives=("loss", "params"), trials=2, strategy="random", storage=url)


@contextmanager
def resumed_meanwhile(run: Path) -> Iterator[tuple[Waits, Callable[[], Future[Study]]]]:
    """Resumes a study in another thread, until it waits for the one who prepares it."""
    heard = Waits()
    with ThreadPoolExecutor(1) as pool:

        def begin() -> Future[Study]:
            future = pool.submit(launch.resume_study, run, None, ALONE, heard, task())
            assert heard.waits.wait(PATIENCE_SECONDS), heard.noted
            return future

        yield heard, begin


def test_a_resume_goes_on_with_what_a_launch_prepares(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, prepare = tmp_path / "run", launch.prepare_study
    prepared: list[RunRecord] = []
    with resumed_meanwhile(run) as (heard, resume):
        theirs: list[Future[Study]] = []

        def prepare_late(folder: Path, *arguments: object) -> RunRecord:
            if not theirs:
                theirs.append(resume())
            prepared.append(prepare(folder, *arguments))  # type: ignore[arg-type]
            return prepared[-1]

        monkeypatch.setattr(launch, "prepare_study", prepare_late)
        launch.launch_study(task(), run, request(tmp_path), ALONE)
        study = theirs[0].result(PATIENCE_SECONDS)
    assert prepared == [RunRecord.load(run)]
    assert heard.noted.count(WAITING) == 1
    assert study.counts()["complete"] == 2


def test_a_launch_that_fails_leaves_nothing_to_one_who_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "new" / "run"
    with resumed_meanwhile(run) as (_, resume):
        theirs: list[Future[Study]] = []

        def fail(*_: object) -> RunRecord:
            theirs.append(resume())
            raise ValueError("the metric broke")

        monkeypatch.setattr(launch, "prepare_study", fail)
        with pytest.raises(ValueError, match="the metric broke"):
            launch.launch_study(task(), run, request(tmp_path), ALONE)
        with pytest.raises(UsageError, match="there is no folder"):
            theirs[0].result(PATIENCE_SECONDS)
    assert not run.parent.exists()


def test_an_error_leaves_a_study_that_is_prepared(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def prepare() -> None:
        with new_run(run, Pending(None, Request())):
            (run / "run.json").write_text("{}")
            raise ValueError("too late")

    with pytest.raises(ValueError, match="too late"):
        prepare()
    assert (run / "run.json").exists()


DIES = """
import os, signal, sys
from pathlib import Path
from hierprune.studies.pending import Pending, new_run
from hierprune.studies.request import Request

with new_run(Path(sys.argv[1]), Pending(None, Request())):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_one_who_is_killed_while_preparing_keeps_nobody_waiting(tmp_path: Path) -> None:
    run, heard = tmp_path / "run", Waits()
    ended = subprocess.run([sys.executable, "-c", DIES, str(run)])
    assert ended.returncode == -signal.SIGKILL
    with preparing(run, heard) as mine:
        assert mine
        assert is_pending(run)
    assert heard.noted == []


def test_one_who_waits_sees_the_study_that_took_the_place(tmp_path: Path) -> None:
    run = tmp_path / "run"

    def told(heard: Waits) -> bool:
        with preparing(run, heard) as mine:
            return mine

    with ThreadPoolExecutor(1) as pool:
        first, heard = new_run(run, Pending(None, Request())), Waits()
        first.__enter__()
        theirs = pool.submit(told, heard)
        assert heard.waits.wait(PATIENCE_SECONDS)
        run.rename(tmp_path / "aside")
        with new_run(run, Pending(None, Request())):
            heard.waits.clear()
            first.__exit__(None, None, None)
            assert heard.waits.wait(PATIENCE_SECONDS)
            (run / "run.json").write_text("{}")
        assert not theirs.result(PATIENCE_SECONDS)


def test_a_folder_that_keeps_no_locks_apart_is_refused_before_anything_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with (
        pytest.raises(UsageError, match="grants one lock twice"),
        new_run(tmp_path / "new" / "run", Pending(None, Request())),
    ):
        pytest.fail("prepared without a lock")
    assert list(tmp_path.iterdir()) == []


def test_of_two_launches_into_one_folder_one_is_told_of_the_other(tmp_path: Path) -> None:
    with (
        new_run(tmp_path / "run", Pending(None, Request())),
        pytest.raises(UsageError, match="exists already: go on with it by 'hierprune resume"),
        new_run(tmp_path / "run", Pending(None, Request())),
    ):
        pytest.fail("the same folder was made twice")
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
