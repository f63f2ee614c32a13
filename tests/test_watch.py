"""Watching a study: the picture, the lines and the events."""

from __future__ import annotations

import io
import json
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from hierprune.events import Events
from hierprune.live import progress
from hierprune.panel import line, panel
from hierprune.studies.follow import follow
from hierprune.studies.progress import Status

LAUNCH = (
    "launch stripes.py:task --run new --trials 3 --objectives accuracy,params --strategy random"
)


@pytest.fixture
def status(finished: Path) -> Status:
    (found,) = follow(finished / "study")
    assert found is not None
    return found


def drawn(status: Status, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(panel(status))
    text = console.file.getvalue()
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("width", [60, 100])
def test_the_picture_shows_where_the_study_stands(status: Status, width: int) -> None:
    text = drawn(status, width)
    best = status.best["params"]
    assert "toy on stripes" in text
    assert "4 of 4" in text
    assert f"front of {status.front} models, hypervolume {status.hypervolume:.4f}" in text
    assert f"(trial {best.trial})" in text
    assert "0 running, 0 waiting, 0 failed" in text
    assert max(map(len, text.splitlines())) <= width


def test_no_time_is_guessed_for_fine_tuning_that_has_just_begun(status: Status) -> None:
    begun = replace(status, promotions=2, remaining=0.0, counts={**status.counts, "running": 1})
    text = drawn(begun)
    assert "of search, fine-tuning" in text
    assert " left" not in text


def test_one_line_says_the_same(status: Status) -> None:
    text = f"4 of 4 plans, front {status.front}, hypervolume {status.hypervolume:.3f}"
    assert line(status) == text


def events_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(part) for part in text.splitlines()]


def test_watch_prints_events(study: Path, command: Any) -> None:
    ended = command("watch", "study", "--json")
    assert ended.code == 0
    assert ended.err == ""
    found = events_of(ended.out)
    assert [e["event"] for e in found] == ["study", *["trial"] * 4, "status"]
    front = command("front", "study", "--json").json
    assert found[0]["objectives"] == front["objectives"]
    assert found[0]["dense"] == front["dense"]
    assert found[-1]["hypervolume"] == pytest.approx(front["hypervolume"])
    assert found[-1]["front"] == len(front["front"])
    assert found[-1]["done"] is True
    values = {e["trial"]: e["values"] for e in found[1:-1]}
    assert all(values[m["trial"]] == m["values"] for m in front["front"])


def test_watch_once_shows_the_picture(study: Path, command: Any) -> None:
    ended = command("watch", "study", "--once")
    assert ended.code == 0
    assert "4 of 4" in ended.out


def test_events_tell_only_what_is_new(status: Status) -> None:
    stream = io.StringIO()
    events = Events(stream)
    events.trial(status)
    before = stream.getvalue()
    events.trial(replace(status, ended=()))
    assert stream.getvalue() == before
    events.share(0.501)
    events.share(0.502)
    assert [e["event"] for e in events_of(stream.getvalue()[len(before) :])] == ["share"]


def test_launch_tells_events_on_stderr(home: Path, command: Any) -> None:
    ended = command(*LAUNCH.split(), "--workers", "0", "--progress", "json", "--json")
    assert ended.code == 0
    found = events_of(ended.err)
    assert [e["trial"] for e in found if e["event"] == "trial"] == [0, 1, 2]
    assert found[-1]["complete"] == ended.json["trials"]["complete"] == 3
    assert found[-1]["launchers"] is None


def test_no_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("none") as listener:
        listener.note("tracing")
    assert capsys.readouterr() == ("", "")


def test_ctrl_c_ends_the_watching_and_not_the_study(study: Path, start: Any) -> None:
    record = study / "study" / "run.json"
    record.write_text(record.read_text().replace('"n_trials": 4', '"n_trials": 9'))
    process = start("watch", "study", "--json")
    assert json.loads(process.stdout.readline())["event"] == "study"
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert time.monotonic() - begun < 10
    assert "Traceback" not in err
