"""Ends what a killed launcher left behind: ``python -m hierprune.studies.reaper MARK FOLDER``.

Ray's agents outlive a driver that is killed. The reaper is a small process beside the launcher that
waits for the end of its standard input, which comes even from ``kill -9``; it then kills every
process that carries the mark in its environment and removes the folder. Systems without ``/proc``
are left alone.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MARK = "HIERPRUNE_CLUSTER"
GRACE_SECONDS = 5.0  # for workers to put their results aside


@contextmanager
def reaped(folder: Path) -> Iterator[None]:
    """Processes started inside end with it, and so does the folder, however this process ends."""
    mark = secrets.token_hex(16)
    command = [sys.executable, "-m", "hierprune.studies.reaper", mark, str(folder)]
    before = os.environ.get(MARK)
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as reaper:
        os.environ[MARK] = mark
        try:
            yield
        finally:
            os.environ.pop(MARK)
            if before is not None:
                os.environ[MARK] = before
            assert reaper.stdin is not None
            reaper.stdin.write(b"done\n")
            reaper.stdin.close()


def marked(mark: str) -> list[int]:
    """Processes with this mark, other than this one."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def main(mark: str, folder: Path) -> None:
    """Wait for the end of the launcher, then clean up."""
    if not sys.stdin.read():  # it was killed
        time.sleep(GRACE_SECONDS)
    for pid in marked(mark):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
