"""What a worker does for itself where nobody stands beside it: end on time, keep its prints."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .executor import failure
from .spool import Spool
from .trial import Trial
from .worker import put_aside


@contextmanager
def watchdog(trial: Trial, seconds: float | None, spool: Spool) -> Iterator[None]:
    """End this process when the time is up, leaving word in the spool."""

    def bite() -> None:
        put_aside(spool, failure(trial, "timeout", f"ran longer than {seconds:g} s"))
        os._exit(1)

    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, bite)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def keep_prints(folder: Path) -> None:
    """Send what this process prints to the run's logs, when the run folder is here."""
    if not folder.is_dir():
        return
    (folder / "logs").mkdir(exist_ok=True)
    log = os.open(
        folder / "logs" / f"ray-{os.uname().nodename}-{os.getpid()}.log",
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
        0o644,
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
