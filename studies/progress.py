"""What a study says while it works; the command line draws it, Python callers may listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from optuna.trial import FrozenTrial

from ..search.rungs import Agreement
from ..search.stopping import Stop
from .run_record import RunRecord
from .trial import Outcome


@dataclass(frozen=True)
class Best:
    """The best value of one objective, and the trial that reached it."""

    value: float
    trial: int


@dataclass(frozen=True)
class Status:
    """Where a study stands.

    Attributes:
        record: what was asked.
        outcome: of the trial that just ended here; ``None`` where none did.
        ended: all trials that were finished since the last status, in that order.
        counts: ``complete`` plans, ``failed``, ``running``, ``waiting``, finished ``rungs``.
        n_trials: plans to finish.
        promotions: trials to expect above rung 0.
        hypervolume: of the front, 1 = dense quality at no cost.
        front: number of models in the front.
        volumes: the hypervolume as it grew, oldest first.
        best: by objective, among all finished trials.
        allowed: by objective, among those that satisfy all constraints.
        seconds: in which at least one trial ran.
        remaining: seconds until it is done at the pace so far, without the rungs that no trial has
            finished yet; ``None`` before the first trial.
        launchers: processes that work on it; ``None`` where nobody looked.
        failure: number and last line of the last trial that failed; ``""`` without one.
        agreements: how well rungs predict the next, from rung 0.
        stop: why it ended before all plans were finished; ``None`` while it did not.
    """

    record: RunRecord
    outcome: Outcome | None
    ended: tuple[FrozenTrial, ...]
    counts: Mapping[str, Any]
    n_trials: int
    promotions: int
    hypervolume: float
    front: int
    volumes: tuple[float, ...]
    best: Mapping[str, Best]
    allowed: Mapping[str, Best]
    seconds: float
    remaining: float | None
    launchers: int | None
    failure: str
    agreements: tuple[Agreement, ...] = ()
    stop: Stop | None = None

    @property
    def finished(self) -> int:
        """Trials that were finished, on all rungs."""
        return sum(self.counts["rungs"])

    @property
    def tuned(self) -> int:
        """Trials that were finished above rung 0."""
        return sum(self.counts["rungs"][1:])

    @property
    def tuning(self) -> bool:
        """Whether only higher rungs are missing, and none of them has told its pace."""
        planned = self.counts["complete"] >= self.n_trials or self.stop is not None
        return planned and self.promotions > 0 and self.tuned == 0

    @property
    def done(self) -> bool:
        """Whether all plans are finished or none will come, and nothing is open or to promote."""
        open_trials = self.counts["running"] + self.counts["waiting"]
        promoted = self.tuned >= self.promotions or self.launchers == 0
        planned = self.counts["complete"] >= self.n_trials or self.stop is not None
        return planned and promoted and not open_trials


class Progress(Protocol):
    """Listens to a study; called in the launcher's thread."""

    def note(self, text: str) -> None:
        """One line that says what is being done now."""

    def share(self, done: float) -> None:
        """How far the thing last noted has come, in [0, 1]."""

    def started(self, status: Status) -> None:
        """A trial began."""

    def trial(self, status: Status) -> None:
        """A trial ended."""


class Silent:
    """Says nothing."""

    def note(self, text: str) -> None:
        """See :class:`Progress`."""

    def share(self, done: float) -> None:
        """See :class:`Progress`."""

    def started(self, status: Status) -> None:
        """See :class:`Progress`."""

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
