"""A file system that is really full: a clear stop, then room, then everything is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import DRIVER, audit

ROOM = "640k"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder with little room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small file system is mounted by root alone")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def launch(run: Path, workers: int) -> subprocess.CompletedProcess[str]:
    options = ["--trials", "60", "--seconds", "0", "--workers", str(workers)]
    command = [sys.executable, "-W", "ignore", str(DRIVER), str(run), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_stops_clearly_and_loses_nothing(small: Path, workers: int) -> None:
    ballast = small / "ballast"
    ballast.write_bytes(bytes(os.statvfs(small).f_bavail * os.statvfs(small).f_bsize - 48 * 1024))
    run = small / "run"
    stopped = launch(run, workers)
    assert stopped.returncode == 1
    assert "No space left on device" in stopped.stderr
    told = (run / "study.jsonl").read_text().count('"values":[')
    assert told > 0
    assert launch(run, workers).returncode == 1  # still full
    ballast.unlink()
    resumed = launch(run, workers)
    assert resumed.returncode == 0, resumed.stderr
    found = audit(run)
    assert found.faults(expected=60) == []
    assert found.evaluated >= 60 > told
