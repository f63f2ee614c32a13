"""What the strategy reads of a finished trial: the user attributes the ledger writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial, TrialState

Key = tuple[str, str, str]
"""Granularity, criterion and quantisation."""


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

    @cached_property
    def key(self) -> Key:
        """The branch of the space that the plan belongs to."""
        plan = self.plan
        return plan["granularity"], plan["criterion"], plan.get("quantization", "none")


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


def has_result(trial: FrozenTrial) -> bool:
    """Whether a trial is complete and says of which plan; a mended record may have lost that."""
    return trial.state == TrialState.COMPLETE and "plan" in trial.user_attrs


@dataclass
class Endings:
    """Gives every finished trial of a growing record once, in the order in which they ended."""

    _looked: int = field(default=0, init=False)
    _open: list[int] = field(default_factory=list, init=False)

    def __call__(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Those that ended since the last call, of all trials of the study by number."""
        numbers = [*self._open, *range(self._looked, len(trials))]
        self._looked = len(trials)
        self._open = [n for n in numbers if not trials[n].state.is_finished()]
        ended = [trials[n] for n in numbers if trials[n].state.is_finished()]
        return sorted(ended, key=lambda t: (t.datetime_complete or datetime.min, t.number))


@dataclass
class Heights:
    """The highest rung on which every plan has a result: there it is judged."""

    _rungs: dict[str, int] = field(default_factory=dict, init=False)

    def add(self, record: Record) -> None:
        """Take note of a complete trial."""
        plan = identity(record)
        self._rungs[plan] = max(record.rung, self._rungs.get(plan, 0))

    def current(self, record: Record) -> bool:
        """Whether no complete trial of the same plan stands on a higher rung."""
        return record.rung >= self._rungs[identity(record)]


def identity(record: Record) -> str:
    """What is the same for all trials of one plan, whatever their rung and how it trains them."""
    known = {"quantization": "none", **record.plan}  # absent from records of earlier versions
    plan = {name: value for name, value in known.items() if name != "recovery"}
    return json.dumps(plan, sort_keys=True)


def current(records: Sequence[Record]) -> list[Record]:
    """The complete trials without those whose plan has a result on a higher rung."""
    if all(r.rung == 0 for r in records):
        return list(records)
    heights = Heights()
    for record in records:
        heights.add(record)
    return [r for r in records if heights.current(r)]
