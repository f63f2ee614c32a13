"""What a launcher started ends with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hierprune.studies.reaper import reaped, users

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")

PARENT = """
import subprocess, sys, time
from pathlib import Path
from hierprune.studies.reaper import reaped
folder = Path(sys.argv[1])
with reaped(folder), (folder / "log").open("w") as log:
    child = subprocess.Popen(["sleep", "60"], stdout=log, start_new_session=True)
    print(child.pid, flush=True)
    time.sleep(60)
"""


def test_children_and_folder_go_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    with reaped(folder), (folder / "log").open("w") as log:
        child = subprocess.Popen(["sleep", "60"], stdout=log)
    assert child.wait(10) == -signal.SIGKILL
    assert not folder.exists()


def test_children_go_when_the_parent_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    command = [sys.executable, "-W", "ignore", "-c", PARENT, str(folder)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert users(folder) == [child] or parent.pid in users(folder)
    parent.kill()
    parent.communicate()
    end = time.monotonic() + 20
    while folder.exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not folder.exists()
    assert not is_running(child)


def is_running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_nobody_uses_a_fresh_folder_and_we_do_not_count(tmp_path: Path) -> None:
    with (tmp_path / "mine").open("w"):
        assert users(tmp_path) == []
    assert os.getpid() not in users(Path("/"))
