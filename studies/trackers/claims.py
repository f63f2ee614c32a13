"""Which trials a tracker was told: a line for each, in ``RUN/trackers/NAME.told``."""

from __future__ import annotations

from pathlib import Path

import filelock


class Claims:
    """Trial numbers that are taken once, by any launcher of a run.

    A number is written down before the trial is told: a crash in between leaves a gap, never a
    trial that was told twice.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("a+")
        self._lock = filelock.FileLock(file.with_suffix(".lock"))
        self._taken: set[str] = set()
        self._file.seek(0)

    def take(self, number: int) -> bool:
        """Whether this trial was not taken before."""
        with self._lock:
            self._taken.update(self._file.read().split())  # by other launchers, since the last look
            if str(number) in self._taken:
                return False
            self._file.write(f"{number}\n")
            self._file.flush()
            return True

    def close(self) -> None:
        """Leave the file."""
        self._file.close()
