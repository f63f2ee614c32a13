"""Looking at a study from outside."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hierprune.errors import UsageError
from hierprune.studies.follow import follow
from hierprune.studies.liveness import Observer, Pulse


def everything(run: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(p): (p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"")
        for p in run.rglob("*")
    }


def test_a_finished_study_is_told_once_and_nothing_is_written(study: Path) -> None:
    before = everything(study / "study")
    (status,) = follow(study / "study")
    assert status is not None
    assert status.done
    assert status.launchers == 0
    assert len(status.ended) == 4
    assert everything(study / "study") == before


def test_it_grows_with_the_journal_and_ends_with_the_study(study: Path) -> None:
    journal = study / "study" / "study.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    finished = [i for i, line in enumerate(lines) if json.loads(line)["op_code"] == 6]
    cut = finished[1] + 1
    journal.write_text("".join(lines[:cut]))
    slept = []

    def more(seconds: float) -> None:
        slept.append(seconds)
        with journal.open("a") as file:
            file.writelines(lines[cut:])

    first, last = follow(study / "study", sleep=more)
    assert first is not None
    assert last is not None
    assert (first.counts["complete"], last.counts["complete"]) == (2, 4)
    assert not first.done
    assert [t.number for t in last.ended] == [2, 3]
    assert slept == [1.0]


def test_a_study_in_preparation_is_waited_for(study: Path) -> None:
    (study / "study" / "run.json").rename(study / "study" / "later.json")
    (study / "study" / "request.json").write_text("{}")

    def prepared(seconds: float) -> None:
        (study / "study" / "later.json").rename(study / "study" / "run.json")
        (study / "study" / "request.json").unlink()

    first, second = follow(study / "study", sleep=prepared)
    assert first is None
    assert second is not None
    assert second.done


def test_more_trials_that_a_resume_asks_for_are_noticed(study: Path) -> None:
    record = study / "study" / "run.json"
    watched = follow(study / "study", sleep=lambda _: None)
    record.write_text(record.read_text().replace('"n_trials": 4', '"n_trials": 9'))
    status = next(watched)
    assert status is not None
    assert status.n_trials == 9
    assert not status.done


def test_no_study_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no study"):
        next(follow(tmp_path))


def test_launchers_are_counted_without_a_lock(tmp_path: Path) -> None:
    observer, pulse = Observer(tmp_path), Pulse(tmp_path)
    assert observer.count() == 1
    pulse.close()
    assert observer.count() == 0
    gone = tmp_path / pulse.owner.replace(f"~{os.getpid()}~", "~999999999~")
    gone.with_name(gone.name + ".alive").write_text("0")
    os.utime(gone.with_name(gone.name + ".alive"), (0, 0))
    assert observer.count() == 0
