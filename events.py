"""Progress as events for programs: one JSON document per line.

Every event has ``event`` and ``time`` (ISO 8601, UTC):

    note     text                            a step of the preparation
    share    done                            how far that step has come, in [0, 1]
    study    task, data, objectives, where, dense, trials_asked, until, patience
             once, before any trial
    trial    trial, rung, state, values, interval, seconds, kind, error   a trial was finished
    status   complete, asked, failed, running, waiting, rungs, promotions, front, hypervolume,
             best, best_with_constraints, seconds, remaining_seconds, launchers, done, stopped,
             agreement

``objectives`` are as in ``front --json``; ``state`` is ``"complete"`` or ``"failed"``; ``best``
gives ``value`` and ``trial`` by objective. ``remaining_seconds`` and ``launchers`` are null where
they are not known. ``stopped`` and ``agreement`` are as in ``front --json``.
"""

from __future__ import annotations

import datetime
from typing import Any, TextIO

from optuna.trial import FrozenTrial, TrialState

from .plain_json import dumps
from .studies.progress import Status
from .studies.run_record import RunRecord

SHARES = 20
"""Events about one step of the preparation, at most."""


class Events:
    """Writes every event as a line.

    Args:
        stream: taken line by line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._told: dict[str, Any] | None = None
        self._share = -1

    def write(self, event: str, **fields: Any) -> None:
        """One event."""
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        self._stream.write(dumps({"event": event, "time": now, **fields}) + "\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        """See :class:`~hierprune.studies.progress.Progress`."""
        self._share = -1
        self.write("note", text=text)

    def share(self, done: float) -> None:
        """See :class:`~hierprune.studies.progress.Progress`."""
        if int(done * SHARES) != self._share:
            self._share = int(done * SHARES)
            self.write("share", done=round(done, 4))

    def started(self, status: Status) -> None:
        """See :class:`~hierprune.studies.progress.Progress`."""

    def trial(self, status: Status) -> None:
        """See :class:`~hierprune.studies.progress.Progress`."""
        if self._told is None:
            self.write("study", **study_fields(status.record))
        for trial in status.ended:
            self.write("trial", **trial_fields(trial))
        fields = status_fields(status)
        if fields != self._told:
            self.write("status", **fields)
        self._told = fields


def study_fields(record: RunRecord) -> dict[str, Any]:
    """What is searched for."""
    return {
        "task": record.task,
        "data": record.data,
        "objectives": [vars(o) for o in record.objectives],
        "where": list(record.where),
        "dense": dict(record.dense.values),
        "trials_asked": record.n_trials,
        "until": record.stop.until,
        "patience": record.stop.patience,
    }


def trial_fields(trial: FrozenTrial) -> dict[str, Any]:
    """One finished trial."""
    outcome = trial.user_attrs.get("outcome") or {}
    return {
        "trial": trial.number,
        "rung": trial.user_attrs.get("rung", 0),
        "state": "complete" if trial.state == TrialState.COMPLETE else "failed",
        "values": outcome.get("values", {}),
        "interval": outcome.get("interval", {}),
        "seconds": sum(outcome.get("seconds", {}).values()),
        "kind": outcome.get("kind", ""),
        "error": outcome.get("error", ""),
    }


def status_fields(status: Status) -> dict[str, Any]:
    """Where the study stands."""
    return {
        **status.counts,
        "asked": status.n_trials,
        "promotions": status.promotions,
        "front": status.front,
        "hypervolume": status.hypervolume,
        "best": {name: vars(best) for name, best in status.best.items()},
        "best_with_constraints": {name: vars(best) for name, best in status.allowed.items()},
        "seconds": status.seconds,
        "remaining_seconds": status.remaining,
        "launchers": status.launchers,
        "done": status.done,
        "stopped": None if status.stop is None else vars(status.stop),
        "agreement": [vars(a) for a in status.agreements],
    }
