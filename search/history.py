"""What the strategy reads of a finished trial: the user attributes the ledger writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial


@dataclass(frozen=True)
class Record:
    """One trial of the study, as the strategy sees it.

    Attributes:
        number: of the trial.
        rung: 0 for the first trial of a plan.
        parent: number of the trial one rung below, if any.
        retry_of: number of the lost trial that this one repeats, if any.
        plan: as plain data.
        values: everything measured, by name; empty until the trial is complete.
        interval: 95 % intervals, by name.
        seconds: by step.
        sampler: what the sampler left on the trial.
    """

    number: int
    rung: int
    parent: int | None
    retry_of: int | None
    plan: Mapping[str, Any]
    values: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]
    seconds: Mapping[str, float]
    sampler: Mapping[str, Any]


@dataclass
class Reader:
    """Reads trials; finished ones, which do not change any more, once."""

    _finished: dict[int, Record] = field(default_factory=dict, init=False)

    def __call__(self, trial: FrozenTrial) -> Record:
        """The record of a trial."""
        found = self._finished.get(trial.number)
        if found is None:
            found = read(trial)
            if trial.state.is_finished():
                self._finished[trial.number] = found
        return found


def read(trial: FrozenTrial) -> Record:
    """The record of a trial that the ledger wrote."""
    attributes = trial.user_attrs
    outcome = attributes.get("outcome") or {}
    return Record(
        number=trial.number,
        rung=attributes.get("rung", 0),
        parent=attributes.get("parent"),
        retry_of=attributes.get("retry_of"),
        plan=attributes.get("plan", {}),
        values=outcome.get("values", {}),
        interval=outcome.get("interval", {}),
        seconds=outcome.get("seconds", {}),
        sampler=attributes.get("sampler", {}),
    )
