"""Who counts as alive, on this machine and on others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hierprune.studies import liveness
from hierprune.studies.liveness import Observer, Pulse, machine, new_owner

HOLDER = """
import sys, time
from pathlib import Path
from hierprune.studies.liveness import Pulse
print(Pulse(Path(sys.argv[1])).owner, flush=True)
time.sleep(60)
"""


def test_a_pulse_lives_until_it_is_closed(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path)
    observer = Observer(tmp_path)
    assert observer.alive(pulse.owner)
    pulse.close()
    assert not observer.alive(pulse.owner)
    assert list(tmp_path.iterdir()) == []


def test_nobody_knows_a_stranger(tmp_path: Path) -> None:
    assert not Observer(tmp_path).alive("host~kernel~1~abc")


def test_a_killed_process_is_dead_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    owner = holder.stdout.readline().strip()
    observer = Observer(tmp_path)
    assert observer.alive(owner)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert not observer.alive(owner)
    observer.bury()
    assert list(tmp_path.iterdir()) == []


def test_the_dead_are_buried_and_the_living_are_not(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path)
    (tmp_path / f"{new_owner()}.alive").write_text("0\n")
    Observer(tmp_path).bury()
    assert [p.stem for p in tmp_path.iterdir()] == [pulse.owner]
    pulse.close()


def test_another_machine_is_judged_by_its_beats_on_our_clock(tmp_path: Path) -> None:
    owner = "elsewhere~ffffffff~1~abc"
    file = tmp_path / f"{owner}.alive"
    now = [0.0]
    observer = Observer(tmp_path, silence=10, clock=lambda: now[0])
    for beat, time, expected in [(1, 0, True), (1, 9, True), (2, 12, True), (2, 21, True)]:
        file.write_text(f"{beat:012d}\n")
        now[0] = time
        assert observer.alive(owner) is expected
    now[0] = 22.0
    assert not observer.alive(owner)
    file.write_text(f"{3:012d}\n")
    assert observer.alive(owner)


def test_the_counter_moves(tmp_path: Path) -> None:
    pulse = Pulse(tmp_path, beat=0.001)
    path = tmp_path / f"{pulse.owner}.alive"
    while int(path.read_text()) < 3:
        pass
    pulse.close()


def test_a_missed_beat_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def failing(*_: object) -> int:
        calls.append(1)
        raise OSError("stale handle")

    pulse = Pulse(tmp_path, beat=0.001)
    with monkeypatch.context() as patch:
        patch.setattr(liveness.os, "pwrite", failing)
        while len(calls) < 3:
            pass
    assert Observer(tmp_path).alive(pulse.owner)
    pulse.close()


def test_owners_differ_and_name_their_process() -> None:
    one, two = new_owner(), new_owner()
    assert one != two
    assert one.split("~")[1:3] == [machine(), str(os.getpid())]
