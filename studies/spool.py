"""Results on their way: ``RUN/spool/<number>-<attempt>.json`` from the worker's hand to the record.

A worker writes its outcome here, durably, before it reports it. When the launcher dies in between,
the next one finds the file and tells it instead of trying the plan again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..whole import write_whole
from .trial import Outcome


@dataclass(frozen=True)
class Spool:
    """The outcomes in one folder that nobody has recorded yet."""

    folder: Path

    def put(self, outcome: Outcome) -> None:
        """Write an outcome, whole or not at all.

        A folder that does not exist is left alone: the run folder is then on another machine.

        Raises:
            OSError: the disk is full or failed.
        """
        if self.folder.is_dir():
            path = self._path(outcome.number, outcome.attempt)
            write_whole(path, json.dumps(outcome.to_json()), durable=True)

    def get(self, number: int, attempt: int) -> Outcome | None:
        """The outcome of one trial, when there is a readable one."""
        return read_outcome(self._path(number, attempt))

    def remove(self, number: int, attempt: int) -> None:
        """Forget one outcome, it is recorded, and what a killed worker left half written."""
        path = self._path(number, attempt)
        path.unlink(missing_ok=True)
        for draft in self.folder.glob(f".{path.name}.*"):
            draft.unlink(missing_ok=True)

    def __iter__(self) -> Iterator[Outcome]:
        """All readable outcomes, in the order of their numbers."""
        found = (read_outcome(path) for path in self.folder.glob("*.json"))
        return iter(sorted((o for o in found if o), key=lambda o: (o.number, o.attempt)))

    def _path(self, number: int, attempt: int) -> Path:
        return self.folder / f"{number}-{attempt}.json"


def read_outcome(path: Path) -> Outcome | None:
    """The outcome in a file; None when it is missing or damaged."""
    try:
        return Outcome.from_json(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None
