"""Studies that end before all their plans are finished, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
LAUNCH = (
    "launch stripes.py:task --run new --workers 0 --objectives accuracy,params --strategy random"
)


def counted(command: Command) -> dict[str, Any]:
    found: dict[str, Any] = command("front", "new", "--json").json["trials"]
    return found


def test_a_study_ends_with_the_model_that_was_asked_for(home: Path, command: Command) -> None:
    launch = [*LAUNCH.split(), "--trials", "6", "--until", "accuracy > 0 and params < 1"]
    ended = command(*launch, "--json")
    assert ended.code == 0
    assert ended.json["trials"]["complete"] == 1
    assert ended.json["stopped"]["rule"] == "until"
    assert "trial 0 has accuracy > 0.0 and params < 1.0" in ended.json["stopped"]["reason"]
    audit = command("verify", "new", "--json").json
    assert audit["ok"]
    assert audit["done"]
    assert audit["stopped"] == ended.json["stopped"]
    again = command("resume", "new", "--workers", "0")
    assert again.code == 0
    assert "ended early: trial 0 has" in again.err
    assert counted(command)["complete"] == 1
    assert "ended early" in command("watch", "new", "--once").out
    onward = command("resume", "new", "--workers", "0", "--until", "", "--trials", "3", "--json")
    assert onward.json["trials"]["complete"] == 3
    assert onward.json["stopped"] is None


def test_plans_without_progress_end_it_and_the_best_still_go_up(
    home: Path, command: Command
) -> None:
    launch = [*LAUNCH.split(), "--trials", "40", "--patience", "3", "--max-epochs", "0.5"]
    ended = command(*launch, "--json")
    assert ended.code == 0
    plans, tuned = ended.json["trials"]["rungs"]
    assert 4 <= plans < 40
    assert tuned == max(1, 4 * plans // 10)
    assert ended.json["stopped"]["rule"] == "patience"
    assert command("verify", "new", "--json").json["done"]
    numbers = [(m["trial"], m["rung"]) for m in ended.json["front"]]
    assert len({n for n, _ in numbers}) == len(numbers)
    events = command("watch", "new", "--once", "--json").out.splitlines()
    status = next(e for e in map(json.loads, events) if e["event"] == "status")
    assert status["done"]
    assert status["stopped"] == ended.json["stopped"]


@pytest.mark.parametrize("until", ["accuracy", "speed >= 1", "accuracy >= dense and"])
def test_rules_that_cannot_work_leave_nothing_behind(
    until: str, home: Path, command: Command
) -> None:
    ended = command(*LAUNCH.split(), "--until", until)
    assert ended.code == 2
    assert "constraint" in ended.err
    assert not (home / "new").exists()


def test_a_resume_refuses_rules_about_what_was_not_measured(study: Path, command: Command) -> None:
    before = (study / "study" / "run.json").read_text()
    ended = command("resume", "study", "--workers", "0", "--until", "kl <= 0.1")
    assert ended.code == 2
    assert "no objective 'kl'" in ended.err
    assert (study / "study" / "run.json").read_text() == before
