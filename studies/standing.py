"""Where a study stands, kept up to date trial by trial at a cost that does not grow with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from ..search.front import Floats, coordinates, hypervolume, non_dominated
from ..search.history import Endings, Heights, Record, has_result, read
from ..search.rungs import Agreements
from ..search.stopping import Stop
from .progress import Best, Status
from .run_record import RunRecord
from .trial import Outcome

CHUNKS = 24
"""Steps in which the hypervolume of trials that are read at once is followed."""
SETTLED = 3
"""Trials from which on the time that is left is estimated."""
RECENT = 50
"""Trials of a rung, the last ones, whose median is its pace."""


@dataclass(eq=False)
class Standing:
    """Front, records and pace of one study; every finished trial is looked at once.

    Attributes:
        record: of the study.
    """

    record: RunRecord
    _endings: Endings = field(default_factory=Endings)
    _heights: Heights = field(default_factory=Heights)
    _agreements: Agreements = field(default_factory=Agreements)
    _records: list[Record] = field(default_factory=list)
    _volumes: list[float] = field(default_factory=list)
    _best: dict[str, Best] = field(default_factory=dict)
    _allowed: dict[str, Best] = field(default_factory=dict)
    _pace: dict[int, deque[float]] = field(default_factory=dict)  # seconds of trials by rung
    _worked: timedelta = timedelta()
    _until: datetime | None = None
    _failure: str = ""
    _ended: list[FrozenTrial] = field(default_factory=list)
    _stop: Stop | None = None

    def __post_init__(self) -> None:
        self._goal = self.record.goal()
        self._points: Floats = coordinates(self._goal.axes, [])
        self._stopping = self.record.stopping()

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of all trials of the study, by number."""
        self._stop = self._judged(trials)
        ended = self._endings(trials)
        for trial in ended:
            self._time(trial)
        complete = [t for t in ended if has_result(t)]
        records = [read(t) for t in complete]
        for record, trial in zip(records, complete, strict=True):
            self._compare(record, trial)
            self._agreements.add(record)
        size = -(-len(records) // CHUNKS) or 1
        for start in range(0, len(records), size):
            self._extend(records[start : start + size])
        self._ended += ended

    def _judged(self, trials: Sequence[FrozenTrial]) -> Stop | None:
        """Whether the study is over; a resume may have changed what ends it."""
        if self._stopping.rules != self.record.stop:
            self._stopping = self.record.stopping()
        return self._stopping(trials)

    def _time(self, trial: FrozenTrial) -> None:
        outcome = trial.user_attrs.get("outcome") or {}
        if trial.state == TrialState.FAIL and outcome.get("kind") != "died":
            self._failure = f"trial {trial.number}: {last_line(outcome.get('error', ''))}"
        start, end = trial.datetime_start, trial.datetime_complete
        if start is None or end is None or outcome.get("kind") == "died":
            return
        start = max(start, self._until or start)
        self._worked += max(end - start, timedelta())
        self._until = max(end, self._until or end)

    def _compare(self, record: Record, trial: FrozenTrial) -> None:
        start, end = trial.datetime_start, trial.datetime_complete
        if start is not None and end is not None:
            pace = self._pace.setdefault(record.rung, deque(maxlen=RECENT))
            pace.append((end - start).total_seconds())
        tables = [self._best]
        if self._goal.violation(record.values) <= 0:
            tables.append(self._allowed)
        for table in tables:
            for info in self.record.objectives:
                value, sign = record.values[info.name], -1 if info.direction == "maximize" else 1
                if info.name not in table or sign * value < sign * table[info.name].value:
                    table[info.name] = Best(value, record.number)

    def _extend(self, records: Sequence[Record]) -> None:
        """The front with these too; a plan that went up a rung leaves its place below."""
        self._records += records
        for record in records:
            self._heights.add(record)
        if any(r.rung for r in records):
            known = [r for r in self._records if self._heights.current(r)]
            points = coordinates(self._goal.axes, [r.values for r in known])
        else:
            new = coordinates(self._goal.axes, [r.values for r in records])
            points = np.concatenate([self._points, new])
        self._points = points[non_dominated(points)]
        self._volumes.append(hypervolume(self._points))

    def status(
        self,
        counts: Mapping[str, Any],
        outcome: Outcome | None = None,
        launchers: int | None = None,
        *,
        telling: bool = True,
    ) -> Status:
        """Where the study stands; the trials that ended are told once.

        Args:
            counts: of its trials; see :meth:`Book.tally`.
            outcome: of the trial that just ended.
            launchers: that are at work, where somebody looked.
            telling: whether to name the trials that ended; else they wait for the next status.
        """
        plans, agreements = counts["complete"], self._agreements.found()
        if self._stop is None:
            plans = max(plans, self.record.n_trials)
        sizes = self.record.rungs.sizes(plans, agreements)
        begun = sum(counts["rungs"][1:])
        over = self._stop is not None and self._stop.rule == "until"
        at_once = counts["running"] + (outcome is not None)
        ended = tuple(self._ended) if telling else ()
        self._ended = self._ended[len(ended) :]
        return Status(
            record=self.record,
            outcome=outcome,
            ended=ended,
            counts=counts,
            n_trials=self.record.n_trials,
            promotions=begun if over else max(begun, sum(sizes[1:])),
            hypervolume=self._volumes[-1] if self._volumes else 0.0,
            front=len(self._points),
            volumes=tuple(self._volumes),
            best=dict(self._best),
            allowed=dict(self._allowed),
            seconds=self._worked.total_seconds(),
            remaining=0.0 if over else self._remaining(counts["rungs"], sizes, at_once),
            launchers=launchers,
            failure=self._failure,
            agreements=agreements,
            stop=self._stop,
        )

    def _remaining(self, done: Sequence[int], sizes: Sequence[int], at_once: int) -> float | None:
        """Seconds until all rungs that have a pace are full; ``None`` before there is any.

        The first trials also start processes and fill caches: what they took says little.
        """
        if sum(map(len, self._pace.values())) < SETTLED:
            return None
        seconds = 0.0
        for rung, pace in self._pace.items():
            finished = done[rung] if rung < len(done) else 0
            size = sizes[rung] if rung < len(sizes) else 0
            seconds += max(0, size - finished) * median(pace)
        return seconds / max(1, at_once)


def last_line(error: str) -> str:
    """The last line that is not empty."""
    lines = error.strip().splitlines()
    return lines[-1].strip() if lines else "no error was recorded"
