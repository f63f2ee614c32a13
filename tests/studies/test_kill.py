"""Launchers killed at random: no result is lost, doubled, or left running."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest
from chaos import Launcher, audit, run_to_end, storm


@pytest.mark.slow
def test_a_launcher_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    options = ["--trials", "30", "--seconds", "0.1", "--promote"]
    kills = storm([Launcher(tmp_path, options)], rounds=4, rng=random.Random(0))
    run_to_end(Launcher(tmp_path, options))
    found = audit(tmp_path)
    assert kills == 4
    assert found.faults(expected=30) == []


@pytest.mark.slow
def test_two_launchers_killed_in_turn_keep_the_budget(tmp_path: Path) -> None:
    options = ["--trials", "30", "--seconds", "0.1", "--workers", "1"]
    launchers = [Launcher(tmp_path, options), Launcher(tmp_path, options)]
    storm(launchers, rounds=4, rng=random.Random(1))
    run_to_end(Launcher(tmp_path, options))
    assert audit(tmp_path).faults(expected=30) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    launcher = Launcher(tmp_path, ["--trials", "1000", "--seconds", "0.05"])
    launcher.start()
    launcher.wait_for_results(3)
    launcher.send(number)
    assert launcher.wait() == 0
    found = audit(tmp_path)
    assert found.faults(expected=found.complete) == []
    assert found.complete >= 3
