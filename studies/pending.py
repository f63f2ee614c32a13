"""A study that was asked for and is not prepared yet: ``request.json`` in its folder.

The folder is made once everything was checked that can be checked at once. Training the dense
model and measuring it may take long; whatever stops that leaves the request, to be resumed.
Whoever prepares a study holds the lock of its ``request.json`` meanwhile: no file is left to be
cleaned up, and one who waits while the folder is taken away does not make it anew.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import UsageError
from .progress import Progress
from .request import Request
from .run_record import FILE, REQUEST
from .source import TaskSource
from .storage import check_locks, try_lock

WAITING = "waiting: another process prepares this study"


@dataclass(frozen=True)
class Pending:
    """What was asked.

    Attributes:
        source: how to build the task; ``None`` where it was given as a Python object.
        request: what to find.
    """

    source: TaskSource | None
    request: Request

    def save(self, run: Path) -> None:
        """Write ``request.json``."""
        source = None if self.source is None else self.source.to_json()
        data = {"source": source, "request": self.request.to_json()}
        (run / REQUEST).write_text(json.dumps(data, indent=1) + "\n")

    @classmethod
    def load(cls, run: Path) -> Pending:
        """Read ``request.json``.

        Raises:
            UsageError: it is damaged.
        """
        path = run / REQUEST
        try:
            data = json.loads(path.read_text())
            source = None if data["source"] is None else TaskSource.from_json(data["source"])
            return cls(source, Request.from_json(data["request"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def is_pending(run: Path) -> bool:
    """Whether a folder holds a study that is not prepared yet."""
    return (run / REQUEST).is_file() and not (run / FILE).exists()


@contextmanager
def new_run(folder: Path, pending: Pending) -> Iterator[None]:
    """Make the run folder with its request in it, which is locked until the block is left.

    An error in the block takes the folder away again, unless the study is prepared. A stop
    (``KeyboardInterrupt``) leaves it, as a crash does.

    Raises:
        UsageError: it cannot be made, or files there cannot be locked.
    """
    parents = [p for p in folder.absolute().parents if not p.exists()]
    draft = folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        try:
            draft.mkdir(parents=True)
            pending.save(draft)
            check_locks(folder.parent)
            request = stack.enter_context(locked((draft / REQUEST).open("r+b")))
            try_lock(request)  # before the folder can be seen: a resume waits from the start
            draft.rename(folder)
        except OSError as error:
            remove(draft, parents)
            taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST)
            raise UsageError(
                exists(folder) if taken else f"cannot make {folder}: {error}"
            ) from error
        except UsageError:
            remove(draft, parents)
            raise
        try:
            yield
        except Exception:
            if is_pending(folder):
                with suppress(OSError):
                    folder.rename(draft)  # gone at once: nobody finds a half of it
                remove(draft, parents)
            raise


@contextmanager
def preparing(run: Path, progress: Progress) -> Iterator[bool]:
    """Keep others from preparing the study meanwhile; one who does is waited for.

    Yields:
        Whether it is still to be prepared.

    Raises:
        UsageError: files in the folder cannot be locked.
    """
    check_locks(run)
    request = locked_request(run, progress)
    if request is None:
        yield False
        return
    with locked(request):
        yield is_pending(run)


@contextmanager
def locked(request: BinaryIO) -> Iterator[BinaryIO]:
    """Give the lock back at the end, also where a child process has the file open too."""
    with request:
        try:
            yield request
        finally:
            fcntl.flock(request, fcntl.LOCK_UN)


def exists(folder: Path) -> str:
    """The message for a new study in a place that is taken."""
    return (
        f"{folder} exists already: go on with it by 'hierprune resume {folder}', "
        f"or choose another --run"
    )


def locked_request(run: Path, progress: Progress) -> BinaryIO | None:
    """``request.json``, open and locked, which may take long; ``None`` where there is none."""
    path = run / REQUEST
    while True:
        try:
            request = path.open("r+b")
        except FileNotFoundError:
            return None
        if not try_lock(request):
            progress.note(WAITING)
            fcntl.flock(request, fcntl.LOCK_EX)
        if is_at(request, path):
            return request
        request.close()


def is_at(file: BinaryIO, path: Path) -> bool:
    """Whether an open file is still the one at this path."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False


def remove(folder: Path, parents: Sequence[Path]) -> None:
    """Take a folder away, and those of its parents that were made for it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # something else has come into them meanwhile
        for parent in parents:
            parent.rmdir()
