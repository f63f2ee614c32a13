"""Who is alive: every launcher holds the lock of ``RUN/alive/<owner>.alive`` as long as it lives.

On one machine the kernel answers: it frees the lock of a dead process at once. Between machines,
where a file system may not share locks, the owner writes a counter into the file every few seconds,
and an observer calls it dead when the counter has stood still for a minute of the observer's own
clock; clocks of different machines are never compared.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from .storage import try_lock

BEAT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # twelve missed beats


def machine() -> str:
    """Names the running kernel: equal for processes that see each other's locks."""
    boot_id = Path("/proc/sys/kernel/random/boot_id")
    if boot_id.exists():
        return boot_id.read_text().split("-")[0]
    return f"{uuid.getnode():x}"


def new_owner() -> str:
    """A fresh name ``host~machine~pid~random`` for one launcher."""
    host = socket.gethostname().replace("~", "-").replace("/", "-")
    return f"{host}~{machine()}~{os.getpid()}~{uuid.uuid4().hex[:8]}"


class Pulse:
    """Keeps this process known as alive until closed or killed.

    Args:
        folder: of the run's ``.alive`` files; created when missing.
        beat: seconds between two beats.
    """

    def __init__(self, folder: Path, *, beat: float = BEAT_SECONDS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.owner = new_owner()
        self._path = folder / f"{self.owner}.alive"
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._closed = threading.Event()
        self._write(0)
        self._thread = threading.Thread(target=self._run, args=(beat,), daemon=True)
        self._thread.start()

    def _run(self, beat: float) -> None:
        count = 0
        while not self._closed.wait(beat):
            count += 1
            with contextlib.suppress(OSError):  # one missed beat; the lock still speaks
                self._write(count)

    def _write(self, count: int) -> None:
        os.pwrite(self._file.fileno(), f"{count:012d}\n".encode(), 0)

    def close(self) -> None:
        """Leave: the file goes, and with it the lock."""
        self._closed.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)
        self._file.close()


class Observer:
    """Judges whether other launchers live.

    Args:
        folder: of the run's ``.alive`` files.
        silence: seconds without a beat after which an owner on another machine counts as dead.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        silence: float = SILENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._silence = silence
        self._clock = clock
        self._heard: dict[str, tuple[str, float]] = {}  # by owner: beat, when it was new

    def alive(self, owner: str) -> bool:
        """Whether this owner still runs, as far as can be seen from here."""
        try:
            with (self._folder / f"{owner}.alive").open("r+") as file:
                if not try_lock(file):
                    return True
                beat = file.read()
        except FileNotFoundError:
            return False
        if owner.split("~")[1:2] == [machine()]:
            return False
        return self._beats(owner, beat)

    def _beats(self, owner: str, beat: str) -> bool:
        last, since = self._heard.get(owner, ("", 0.0))
        if beat != last:
            self._heard[owner] = (beat, self._clock())
            return True
        return self._clock() - since < self._silence

    def count(self) -> int:
        """How many owners seem to be alive, without touching a lock: to look at, not to decide on.

        On this machine the process, or a fresh beat, tells; elsewhere a beat that is not silent.
        """
        return sum(self._seems_alive(path) for path in self._folder.glob("*.alive"))

    def _seems_alive(self, path: Path) -> bool:
        home, pid = path.stem.split("~")[1:3]
        try:
            if home == machine():
                fresh = time.time() - path.stat().st_mtime < 3 * BEAT_SECONDS
                return fresh or Path(f"/proc/{pid}").exists()
            return self._beats(path.stem, path.read_text())
        except FileNotFoundError:
            return False

    def bury(self) -> None:
        """Remove the files of dead owners. Not while one is being born: hold the ledger's lock."""
        for path in self._folder.glob("*.alive"):
            if not self.alive(path.stem):
                path.unlink(missing_ok=True)
