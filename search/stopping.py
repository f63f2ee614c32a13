"""When a search has found enough: a model that is good enough, or no more progress.

What ended is decided from the record alone, so that all launchers of a study, and whoever reads it
later, come to the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from optuna.trial import FrozenTrial

from ..errors import UsageError
from ..objectives.constraint import conjunction
from .front import Floats, coordinates, hypervolume, non_dominated
from .goal import Goal
from .history import Endings, Heights, Record, has_result, read

PROGRESS = 1e-3
"""Relative growth of the hypervolume, of plans on rung 0, that counts as none."""


@dataclass(frozen=True)
class StopRules:
    """When a study ends before all its plans are finished.

    Attributes:
        until: constraints joined by ``and``: it ends when one model satisfies all of them;
            ``""`` for never.
        patience: plans without progress of the hypervolume; 0 for any number.
    """

    until: str = ""
    patience: int = 0

    def __post_init__(self) -> None:
        """Check what needs no study."""
        conjunction(self.until)
        if self.patience < 0:
            raise UsageError(f"patience must be 0 plans or more, got {self.patience}")


@dataclass(frozen=True)
class Stop:
    """That a study is over.

    Attributes:
        rule: ``"until"``: nothing more is started. ``"patience"``: no more plans are started; the
            best of those that are there still go up the rungs.
        reason: in words, without a full stop.
    """

    rule: Literal["until", "patience"]
    reason: str


@dataclass(eq=False)
class Stopping:
    """Applies the rules to a growing record; every trial is looked at once.

    Attributes:
        rules: what ends the study.
        goal: of the study.
    """

    rules: StopRules
    goal: Goal
    _sought: Goal = field(init=False)
    _endings: Endings = field(default_factory=Endings, init=False)
    _heights: Heights = field(default_factory=Heights, init=False)
    _reached: list[Record] = field(default_factory=list, init=False)
    _points: Floats = field(init=False)
    _volumes: list[float] = field(default_factory=list, init=False)
    _allowed: bool = field(default=False, init=False)  # whether a plan satisfied all constraints
    _stalled: int = field(default=0, init=False)  # plans after which patience was lost

    def __post_init__(self) -> None:
        """Start without a trial."""
        self._until = conjunction(self.rules.until)
        self._sought = self.goal.sought
        self._points = coordinates(self._sought.axes, [])

    def __call__(self, trials: Sequence[FrozenTrial]) -> Stop | None:
        """Whether the study is over, by all its trials so far, by number."""
        if not self._until and not self.rules.patience:
            return None
        for trial in self._endings(trials):
            if has_result(trial):
                self._take(read(trial))
        return self._good_enough() or self._no_progress()

    def _take(self, record: Record) -> None:
        self._heights.add(record)
        dense = self.goal.dense
        if self._until and all(c.holds(record.values, dense) for c in self._until):
            self._reached.append(record)
        if self.rules.patience and record.rung == 0 and not self._stalled:
            self._grow(record)

    def _grow(self, record: Record) -> None:
        """Take note of a plan; of those that break a constraint only while there are no others."""
        allowed = self.goal.violation(record.values) <= 0
        if allowed and not self._allowed:
            self._allowed, self._points = True, self._points[:0]
            self._volumes = [0.0] * len(self._volumes)
        last = self._volumes[-1] if self._volumes else 0.0
        if allowed or not self._allowed:
            points = coordinates(self._sought.axes, [record.values])
            points = np.concatenate([self._points, points])
            front = non_dominated(points)
            self._points = points[front]
            last = hypervolume(self._points) if front[-1] else last
        self._volumes.append(last)
        before = len(self._volumes) - 1 - self.rules.patience
        if before >= 0 and self._volumes[-1] <= self._volumes[before] * (1 + PROGRESS):
            self._stalled = len(self._volumes)

    def _good_enough(self) -> Stop | None:
        found = next((r for r in self._reached if self._heights.current(r)), None)
        if found is None:
            return None
        return Stop("until", f"trial {found.number} has {' and '.join(map(str, self._until))}")

    def _no_progress(self) -> Stop | None:
        if not self._stalled:
            return None
        return Stop(
            "patience",
            f"the hypervolume grew by less than {PROGRESS:.1%} over the last "
            f"{self.rules.patience} of {self._stalled} plans",
        )
