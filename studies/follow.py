"""A study as it goes on, seen from outside: nothing is written and no lock is taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import UsageError
from .book import Pages
from .liveness import Observer
from .pending import is_pending
from .progress import Status
from .run_record import RunRecord
from .standing import Standing
from .storage import read_storage

POLL_SECONDS = 1.0


def follow(
    run: Path, *, once: bool = False, sleep: Callable[[float], None] = time.sleep
) -> Iterator[Status | None]:
    """Look at a study every second until it is done, or once.

    A study that nobody works on is waited for: somebody may resume it. ``None`` stands for one
    that is being prepared.

    Args:
        run: its folder.
        once: look once.
        sleep: waits between two looks.

    Raises:
        UsageError: the folder holds no study.
    """
    eyes: Eyes | None = None
    while True:
        eyes = eyes or opened(run)
        status = eyes.look() if eyes else None
        yield status
        if once or (status is not None and status.done):
            return
        sleep(POLL_SECONDS)


class Eyes:
    """Reads one prepared study."""

    def __init__(self, run: Path, record: RunRecord, pages: Pages) -> None:
        self._run = run
        self._pages = pages
        self._observer = Observer(run / "alive")
        self._standing = Standing(record)

    def look(self) -> Status:
        """What has happened since the last look; a resume may ask for more trials."""
        self._standing.record = RunRecord.load(self._run)
        self._standing.update(self._pages.trials())
        counts = self._pages.tally.counts()
        return self._standing.status(counts, launchers=self._observer.count())


def opened(run: Path) -> Eyes | None:
    """The study in a run folder, once its first trial can be stored.

    Raises:
        UsageError: the folder holds none, and none is being prepared; or its database has none.
    """
    if is_pending(run):
        return None
    record = RunRecord.load(run)
    try:
        storage = read_storage(run, record.storage)
        record.check_known(storage, run)
        pages = Pages(storage, record.name_at(run))
    except (FileNotFoundError, KeyError):
        return None
    except OSError as error:
        raise UsageError(f"cannot read the study in {run}: {error}") from error
    return Eyes(run, record, pages)
