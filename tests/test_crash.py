"""Launchers that are killed or stopped at any moment, as processes: nothing finished is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import hierprune
from hierprune.studies.run_record import FILE, REQUEST, is_run
from hierprune.studies.study import Study
from hierprune.studies.verify_run import verify_run

Command = Callable[..., Any]
Process = subprocess.Popen[str]
Start = Callable[..., Process]

pytestmark = pytest.mark.slow

SLOW_TASK = """
import dataclasses
import time

import stripes


def slowly(outputs, targets):
    time.sleep(0.05)
    return 1.0 * (outputs.argmax(1) == targets)


def task():
    return dataclasses.replace(stripes.task(epochs=40), metrics={"accuracy": slowly})
"""
LAUNCH = "launch slow.py:task --run new --trials 20 --objectives accuracy,params --max-epochs 0.1"
PATIENCE_SECONDS = 120.0


@pytest.fixture
def slow(home: Path) -> Path:
    (home / "slow.py").write_text(SLOW_TASK)
    return home


def wait_until(happened: Callable[[], bool], process: Process) -> None:
    limit = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


def results(run: Path) -> int:
    """Finished trials in the journal."""
    journal = run / "study.jsonl"
    return journal.read_text().count('"values":[') if journal.exists() else 0


def has(run: Path, count: int) -> bool:
    """Whether a study is prepared and has so many results."""
    return (run / FILE).exists() and results(run) >= count


def finished(run: Path) -> Mapping[int, Any]:
    """What is known of every finished trial."""
    prepared = (run / FILE).exists()
    return {r.number: r for r in Study.open(run).finished()} if prepared else {}


def kill_group(process: Process) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def run_to_end(command: Command, run: str) -> None:
    resumed = command("resume", run, "--workers", "0", "--json")
    assert resumed.code == 0, resumed.err
    counts = resumed.json["trials"]
    assert counts == {"complete": 20, "failed": 0, "running": 0, "waiting": 0, "rungs": [20, 8]}
    audit = verify_run(run)
    assert audit.faults == ()


def test_kill_9_at_any_moment_loses_nothing_and_repeats_nothing(
    slow: Path, start: Start, command: Command
) -> None:
    run, draw = slow / "new", random.Random(1)
    known: dict[int, Any] = {}
    for wanted in (-1, 0, 4, 10):  # while preparing; before the first result; then among results
        line = "resume new" if is_run(run) else LAUNCH
        process = start(*line.split(), "--workers", "1")
        there = partial(has, run, wanted) if wanted >= 0 else (run / REQUEST).exists
        wait_until(there, process)
        time.sleep(draw.uniform(0.0, 0.4))
        kill_group(process)
        found = finished(run)
        assert {n: found[n] for n in known} == known
        known.update(found)
    assert len(known) >= 10
    run_to_end(command, "new")
    found = finished(run)
    assert {n: found[n] for n in known} == known


@pytest.mark.parametrize(
    ("number", "options"),
    [(signal.SIGINT, "--workers 1 --on-stop requeue"), (signal.SIGTERM, "--workers 0")],
    ids=["int", "term"],
)
def test_a_signal_stops_cleanly_and_the_study_goes_on(
    number: signal.Signals, options: str, slow: Path, start: Start, command: Command
) -> None:
    process = start(*LAUNCH.split(), *options.split())
    wait_until(lambda: results(slow / "new") >= 2, process)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "go on with: hierprune resume new" in err
    assert "Traceback" not in err
    counts = Study.open(slow / "new").counts()
    assert counts["running"] == 0
    assert 2 <= counts["complete"] < 20
    run_to_end(command, "new")


def test_a_signal_while_preparing_leaves_a_study_to_resume(
    slow: Path, start: Start, command: Command
) -> None:
    process = start(*LAUNCH.split(), "--workers", "0")
    wait_until((slow / "new" / REQUEST).exists, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert "stopped while preparing; go on with: hierprune resume new" in err
    assert not (slow / "new" / FILE).exists()
    run_to_end(command, "new")


def test_a_folder_that_cannot_be_written_is_read_all_the_same(
    study: Path, command: Command, frozen_folder: Callable[[Path], None]
) -> None:
    before = sorted((study / "study").rglob("*"))
    frozen_folder(study / "study")
    assert command("front", "study", "--json").code == 0
    assert command("verify", "study").code == 0
    assert command("report", "study", "--out", "report.html").code == 0
    assert command("pick", "study", "--out", "small").code == 0
    ended = command("resume", "study", "--trials", "6")
    assert ended.code == 2
    assert "must allow writing" in ended.err
    assert sorted((study / "study").rglob("*")) == before


@pytest.fixture
def frozen_folder() -> Iterator[Callable[[Path], None]]:
    """Makes folders that nobody can write to, root neither, until the test is over."""
    mounted: list[Path] = []

    def freeze(folder: Path) -> None:
        bind = ["mount", "--bind", str(folder), str(folder)]
        if os.geteuid() != 0 or subprocess.run(bind, capture_output=True).returncode:
            pytest.skip("a folder is mounted read-only by root alone")
        mounted.append(folder)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)

    yield freeze
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("moves", range(6))
def test_a_pick_that_was_killed_leaves_no_half_a_model(
    study: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    known = hierprune.load("picked").state_dict()
    picked = Study.open("study").pick(prefer="params")
    left = iter(range(moves))
    move = Path.replace

    def move_or_die(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return move(path, target)

    monkeypatch.setattr(Path, "replace", move_or_die)
    for folder in ("picked", "fresh"):
        with suppress(KeyboardInterrupt):
            picked.save(folder)
        if (study / folder / "plan.json").exists():
            whole = hierprune.load(folder).state_dict()
            assert any(same(whole, expected) for expected in (known, picked.model.state_dict()))
    monkeypatch.setattr(Path, "replace", move)
    for folder in ("picked", "fresh"):
        picked.save(folder)
        assert same(hierprune.load(folder).state_dict(), picked.model.state_dict())
        assert not (study / folder / ".draft").exists()


def same(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether two models have equal weights."""
    shapes = {name: tensor.shape for name, tensor in first.items()}
    if shapes != {name: tensor.shape for name, tensor in second.items()}:
        return False
    return all(torch.equal(tensor, second[name]) for name, tensor in first.items())
