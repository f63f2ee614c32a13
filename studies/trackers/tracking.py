"""Telling trackers, without ever waiting for them or failing with them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

from optuna.trial import FrozenTrial

from ..progress import Progress, Status
from ..run_record import RunRecord
from .base import Point, Told, Tracker, told
from .claims import Claims
from .registry import TRACKERS, tracker_class

FOLDER = "trackers"
GRACE = 60.0  # seconds that a tracker has at the end for what it was told


class Feed:
    """One tracker in a thread of its own.

    Attributes:
        name: of the tracker.
        problem: why it was given up; ``""`` while it works.
    """

    def __init__(self, name: str, run: Path, record: RunRecord) -> None:
        self.name = name
        self.problem = ""
        self._run, self._record = run, record
        self._thread: threading.Thread | None = None
        self._items: SimpleQueue[Told | Point | None] = SimpleQueue()
        try:  # here: code that looks at all modules must not meet one that comes up beside it
            kind = tracker_class(name)
        except Exception as error:
            self.problem = said(error)
        else:
            self._thread = threading.Thread(target=self._work, args=(kind,), daemon=True)
            self._thread.start()

    def put(self, item: Told | Point) -> None:
        """Tell it, when it comes to that."""
        self._items.put(item)

    def _work(self, kind: Callable[[Path, RunRecord], Tracker]) -> None:
        try:
            with closing(Claims(self._run / FOLDER / f"{self.name}.told")) as claims:
                self._hand_on(claims, kind(self._run, self._record))
        except Exception as error:  # of any kind: the study does not depend on it
            self.problem = said(error)

    def _hand_on(self, claims: Claims, tracker: Tracker) -> None:
        while (item := self._items.get()) is not None:
            if isinstance(item, Point):
                tracker.point(item)
            elif claims.take(item.number):
                tracker.trial(item)
        tracker.close()

    def close(self) -> None:
        """Wait for what it was told, up to a minute."""
        if self._thread is None:
            return
        self._items.put(None)
        self._thread.join(GRACE)
        if self._thread.is_alive():
            self.problem = f"it is still busy after {GRACE:g} s"


def said(error: Exception) -> str:
    """The type and the first line of an error."""
    return f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"


@dataclass(frozen=True)
class Tracking:
    """A listener that hands on to another one, and to trackers.

    Attributes:
        inner: the other listener.
        feeds: the trackers.
    """

    inner: Progress
    feeds: Sequence[Feed]
    _given_up: set[str] = field(default_factory=set)

    def note(self, text: str) -> None:
        """See :class:`Progress`."""
        self.inner.note(text)

    def share(self, done: float) -> None:
        """See :class:`Progress`."""
        self.inner.share(done)

    def started(self, status: Status) -> None:
        """See :class:`Progress`."""
        self.inner.started(status)

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
        self.tell(status.ended)
        values = {"hypervolume": status.hypervolume, "front": float(status.front)}
        for feed in self.feeds:
            feed.put(Point(status.finished, values))
        self.inner.trial(status)
        self._warn()

    def tell(self, trials: Iterable[FrozenTrial]) -> None:
        """Tell finished trials; those told before are left out."""
        for trial in trials:
            for feed in self.feeds:
                feed.put(told(trial))

    def _warn(self) -> None:
        for feed in self.feeds:
            if feed.problem and feed.name not in self._given_up:
                self._given_up.add(feed.name)
                self.inner.note(f"{feed.name} was given up, the study goes on: {feed.problem}")

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_: object) -> None:
        for feed in self.feeds:
            feed.close()
        self._warn()


def track(names: Sequence[str], run: Path, record: RunRecord, inner: Progress) -> Tracking:
    """A listener that tells trackers too: those named, or without names those used before."""
    used = [n for n in TRACKERS if (run / FOLDER / f"{n}.told").exists()]
    return Tracking(inner, [Feed(name, run, record) for name in dict.fromkeys(names or used)])
