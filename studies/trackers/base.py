"""What a tracker is, and what it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from optuna.trial import FrozenTrial

from ...search.history import read
from ...search.recipes import recipe_of
from ..run_record import RunRecord


@dataclass(frozen=True)
class Told:
    """One finished trial.

    Attributes:
        number: of the trial.
        values: everything measured, by name, and its ``seconds``; empty when it failed.
        choices: of the plan: ratio, granularity, allocation, criterion, quantization,
            epochs, rung.
        error: last line of what went wrong; ``""`` for a complete trial.
    """

    number: int
    values: Mapping[str, float]
    choices: Mapping[str, str | float]
    error: str = ""


@dataclass(frozen=True)
class Point:
    """Where the study stands.

    Attributes:
        step: number of trials finished by then.
        values: hypervolume and size of the front.
    """

    step: int
    values: Mapping[str, float]


class Tracker(Protocol):
    """Keeps what it is told; opened and used in a thread of its own.

    Whatever it raises ends the tracker, never the study. It is not told a trial twice.
    """

    def trial(self, told: Told) -> None:
        """A trial ended."""

    def point(self, point: Point) -> None:
        """The study came further."""

    def close(self) -> None:
        """The launch ended; everything told is kept from now on."""


def told(trial: FrozenTrial) -> Told:
    """A finished trial as trackers see it."""
    record = read(trial)
    outcome = trial.user_attrs.get("outcome") or {}
    words = ("ratio", "granularity", "allocation", "criterion")
    choices = {name: record.plan[name] for name in words if name in record.plan}
    choices["quantization"] = record.plan.get("quantization", "none")
    choices |= recipe_of(trial.params)
    choices["epochs"] = record.plan.get("recovery", {}).get("epochs", 0.0)
    lines = str(outcome.get("error") or "").strip().splitlines() or [""]
    values = {**record.values, "seconds": sum(record.seconds.values())} if record.values else {}
    return Told(record.number, values, {**choices, "rung": record.rung}, lines[-1])


def study_id(run: Path, record: RunRecord) -> str:
    """What a study is known by elsewhere: the same after every resume."""
    text = f"{run.name} {record.created} {record.dense.sha256}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
