"""Ends what a killed launcher left behind: ``python -m hierprune.studies.reaper FOLDER``.

Ray's agents outlive a driver that is killed. The reaper is a small process beside the launcher that
waits for the end of its standard input, which comes even from ``kill -9``; it then kills every
process that has a file open in the launcher's scratch folder, where all of Ray's processes keep
their logs, and removes the folder. Systems without ``/proc`` are left alone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

GRACE_SECONDS = 5.0  # for workers to put their results aside


@contextmanager
def reaped(folder: Path) -> Iterator[None]:
    """Processes that keep files in ``folder`` end with the block, however this process ends."""
    command = [sys.executable, "-m", "hierprune.studies.reaper", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as reaper:
        try:
            yield
        finally:
            assert reaper.stdin is not None
            reaper.stdin.write(b"done\n")
            reaper.stdin.close()


def users(folder: Path) -> list[int]:
    """Processes with a file open below this folder, but for this one and its parent."""
    prefix = f"{folder.resolve()}/"
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith(prefix):
                found.add(int(link.parts[2]))
    return sorted(found - {os.getpid(), os.getppid()})


def end_users(folder: Path) -> None:
    """Kill the processes with a file open below this folder."""
    for pid in users(folder):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def main(folder: Path) -> None:
    """Wait for the end of the launcher, then clean up."""
    if not sys.stdin.read():  # it was killed
        time.sleep(GRACE_SECONDS)
    end_users(folder)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
