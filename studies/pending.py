"""A study that was asked for and is not prepared yet: ``request.json`` in its folder.

The folder is made once everything was checked that can be checked at once. Training the dense
model and measuring it may take long; whatever stops that leaves the request, to be resumed.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .request import Request
from .run_record import FILE, REQUEST
from .source import TaskSource


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
    """Make the run folder with its request in it; an error in the block takes it away again.

    A stop (``KeyboardInterrupt``) leaves it, as a crash does.

    Raises:
        UsageError: it cannot be made.
    """
    parents = [p for p in folder.absolute().parents if not p.exists()]
    draft = folder.parent / f".{folder.name}-{uuid.uuid4().hex[:8]}"
    try:
        draft.mkdir(parents=True)
        pending.save(draft)
        draft.rename(folder)
    except OSError as error:
        remove(draft, parents)
        raise UsageError(f"cannot make {folder}: {error}") from error
    try:
        yield
    except Exception:
        remove(folder, parents)
        raise


def remove(folder: Path, parents: Sequence[Path]) -> None:
    """Take a folder away, and those of its parents that were made for it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # something else has come into them meanwhile
        for parent in parents:
            parent.rmdir()
