"""The worker's side of the conversation: JSON lines in and out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy import proposal

from hierprune.studies.spool import Spool
from hierprune.studies.trial import Trial


class Conversation:
    """A worker process, spoken to by hand."""

    def __init__(self, run: Path, factory: str, **arguments: Any) -> None:
        (run / "spool").mkdir()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hierprune.studies.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        recipe = {"factory": factory, "arguments": {"run": str(run)} | arguments}
        self.say({"recipe": recipe, "run": str(run), "path": sys.path})

    def say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        message: dict[str, Any] = json.loads(self.process.stdout.readline())
        return message

    def hang_up(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(30)
        self.process.stdout.close()
        return code


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Conversation]:
    conversation = Conversation(tmp_path, "toy:recipe", seconds=0.5)
    assert conversation.hear() == {"ready": True}
    yield conversation
    conversation.process.kill()
    conversation.hang_up()


def message(number: int) -> dict[str, Any]:
    return {"trial": Trial(number, proposal(number).plan).to_json()}


def test_a_trial_is_spooled_and_answered(tmp_path: Path, talk: Conversation) -> None:
    talk.say(message(3))
    answer = talk.hear()["outcome"]
    spooled = Spool(tmp_path / "spool").get(3, 1)
    assert spooled is not None
    assert json.loads(json.dumps(spooled.to_json())) == answer
    assert talk.hang_up() == 0


def test_when_the_launcher_goes_the_running_trial_is_finished_and_spooled(
    tmp_path: Path, talk: Conversation
) -> None:
    talk.say(message(5))
    assert talk.hang_up() == 0
    outcome = Spool(tmp_path / "spool").get(5, 1)
    assert outcome is not None
    assert outcome.values["size"] > 0


def test_ctrl_c_is_not_for_workers(tmp_path: Path, talk: Conversation) -> None:
    talk.say(message(1))
    os.kill(talk.process.pid, signal.SIGINT)
    assert talk.hear()["outcome"]["error"] == ""


def test_a_factory_that_fails_is_told_once(tmp_path: Path) -> None:
    conversation = Conversation(tmp_path, "toy:broken")
    assert "no dense weights here" in conversation.hear()["broken"]
    assert conversation.hang_up() == 0
