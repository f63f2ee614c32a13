"""Where the record of a study lives: a journal in the run folder, or a database.

The journal is one line of JSON per write, the format of Optuna's own journal file, so that
optuna-dashboard opens it. The lock is the kernel's ``flock``, which a killed process cannot leave
behind, and a line torn by a crash is cut off before the next one is appended.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend

from ..errors import UsageError
from .database import open_database

JOURNAL = "study.jsonl"
STUDY = "hierprune"  # the one study in a journal
LOCK = "ledger.lock"
MEND = "'hierprune verify RUN' says what can be saved"
SET_TRIAL_USER_ATTR = 8  # operation code of Optuna's journal
TAIL_BYTES = 1 << 16  # read at a time when looking backwards for the last whole line


class FlockJournalBackend(BaseJournalBackend):
    """Journal file that survives ``kill -9`` at any byte.

    Args:
        path: of the file; created when it does not exist.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        if not self.path.exists():
            self.path.touch()
        self._cursor = (0, 0)  # lines read, their length in bytes

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The records from this number on; an unfinished last line is not there yet.

        Raises:
            UsageError: a whole line is not JSON.
        """
        number, offset = self._cursor if self._cursor[0] == log_number_from else (0, 0)
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                number, offset = number + 1, offset + len(line)
                if number > log_number_from:
                    self._cursor = (number, offset)
                    yield self._parse(line, number)

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record: dict[str, Any] = json.loads(line)
        except ValueError as error:
            raise UsageError(
                f"every line of {self.path} must be one JSON record, line {number} is damaged: "
                f"{line[:60]!r}; {MEND}"
            ) from error
        return record

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append the records; durable when the call returns, but for attributes of trials.

        Those are durable once anything else is appended: they are worth nothing before the state
        of the trial says that it is over, and forcing them to the disk would double the cost.

        Raises:
            OSError: the disk is full or failed; the file then ends as it did before.
        """
        sync = any(log.get("op_code") != SET_TRIAL_USER_ATTR for log in logs)
        lines = (json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        fd = os.open(self.path, os.O_RDWR)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            self._append(fd, end_of_last_line(fd), b"".join(lines), sync=sync)
        finally:
            os.close(fd)

    def _append(self, fd: int, end: int, data: bytes, *, sync: bool) -> None:
        try:
            if os.fstat(fd).st_size > end:
                os.ftruncate(fd, end)
            written = 0
            while written < len(data):
                written += os.pwrite(fd, data[written:], end + written)
            if sync:
                os.fsync(fd)
        except OSError as error:
            os.ftruncate(fd, end)
            raise OSError(
                error.errno,
                f"{os.strerror(error.errno or errno.EIO)}; everything recorded before is safe, "
                "make room and resume",
                str(self.path),
            ) from error


def end_of_last_line(fd: int) -> int:
    """Length of the file without what follows its last newline."""
    end = os.lseek(fd, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - TAIL_BYTES)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def open_storage(run: Path, url: str | None = None) -> BaseStorage:
    """The storage of a run: the journal in its folder, or the database at ``url``.

    SQLite is opened in WAL mode and takes its write lock when a transaction begins; without that
    two processes can start the same waiting trial.

    Raises:
        UsageError: the folder cannot lock files, or the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run.mkdir(parents=True, exist_ok=True)
    check_locks(run)
    if url is None:
        return open_journal(run / JOURNAL)
    with filelock.FileLock(run / LOCK):  # two processes at once would both create the tables
        return open_database(url)


def read_storage(run: Path, url: str | None = None) -> BaseStorage:
    """The storage of a run that is there, to be read: no lock is taken and no file is made.

    Raises:
        FileNotFoundError: there is no journal yet.
        UsageError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        return open_database(url)
    if not (run / JOURNAL).exists():
        raise FileNotFoundError(run / JOURNAL)
    return open_journal(run / JOURNAL)


def open_journal(path: Path) -> BaseStorage:
    """The storage in a journal file.

    Raises:
        UsageError: it is no journal, or damaged.
    """
    try:
        with without_collection():
            return JournalStorage(FlockJournalBackend(path))
    except (AssertionError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} holds something else than Optuna's journal; {MEND}") from error


def journal_bytes(path: Path) -> bytes:
    """What stands in a journal while nobody writes; nothing where there is none."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            return file.read()
    except FileNotFoundError:
        return b""


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection while millions of objects are made that are there to stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def check_locks(folder: Path) -> None:
    """Try whether ``flock`` keeps two openers of one file apart in this folder.

    Raises:
        UsageError: it does not, or the folder cannot be written.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".lock-probe-") as first:
            fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with Path(first.name).open("r+b") as second:
                works = not try_lock(second)
    except OSError as error:
        raise UsageError(
            f"a run folder must allow writing and file locks, {folder} does not "
            f"({error.strerror}); choose a folder on a local disk with --run"
        ) from error
    if not works:
        raise UsageError(
            f"a run folder must keep file locks apart, {folder} grants one lock twice; "
            "choose a folder on a local disk with --run"
        )


def try_lock(file: Any) -> bool:
    """Take the exclusive lock of an open file, unless somebody holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
