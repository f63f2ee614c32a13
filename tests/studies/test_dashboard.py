"""The real optuna-dashboard opens the journal of a run as it is."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hierprune.studies.study import Study

pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
PATIENCE = 60.0


@pytest.fixture
def address(study: Path) -> Iterator[str]:
    """Where the dashboard answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = "from optuna_dashboard._cli import main; main()"
    words = ["study/study.jsonl", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", call, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        yield f"http://127.0.0.1:{port}/api/studies"
        server.terminate()


def ask(address: str) -> Any:
    """What the dashboard answers, once it does."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
                return json.load(answer)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def test_the_dashboard_shows_objectives_and_trials(study: Path, address: str) -> None:
    (summary,) = ask(address)["study_summaries"]
    assert summary["study_name"] == "hierprune"
    assert summary["directions"] == ["maximize", "minimize"]
    found = ask(f"{address}/{summary['study_id']}")
    assert found["objective_names"] == ["accuracy", "params"]
    finished = Study.open("study").finished()
    assert [t["state"] for t in found["trials"]] == ["Complete"] * len(finished)
    values = [t["values"] for t in found["trials"]]
    expected = [[r.values["accuracy"], r.values["params"]] for r in finished]
    assert values == [pytest.approx(e) for e in expected]
    assert found["trials"][0]["params"]
