"""What travels between the study and its workers: plain data both ways, JSON in and out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..pruners.plan import PruningPlan


@dataclass(frozen=True)
class Trial:
    """One plan to try.

    Attributes:
        number: of the trial in the study.
        plan: what to do; its ``recovery.epochs`` follow from the rung.
        rung: 0 for the first trial of a plan; higher rungs recover for longer.
        parent: number of the trial one rung below whose weights this one starts from.
        attempt: 1 for the first, counted up when a worker or launcher died.
    """

    number: int
    plan: PruningPlan
    rung: int = 0
    parent: int | None = None
    attempt: int = 1

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return vars(self) | {"plan": self.plan.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """The trial that :meth:`to_json` wrote."""
        return cls(**{**data, "plan": PruningPlan.from_json(data["plan"])})


@dataclass(frozen=True)
class Outcome:
    """What came of one trial: values, or an error. A failed trial is data.

    Attributes:
        number: of the trial.
        values: by objective, finite; empty when ``error`` is set.
        interval: 95 % interval by objective, for those that have one.
        seconds: by step of the journey (``"cut"``, ``"recover"``, ``"measure"``...), wall time.
        error: what went wrong, a traceback where there is one.
        kind: of error: ``"exception"``, ``"non-finite"``, ``"timeout"``, ``"died"``; else ``""``.
        attempt: of the trial it answers.
    """

    number: int
    values: Mapping[str, float] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    kind: str = ""
    attempt: int = 1

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return vars(self) | {"interval": {k: list(v) for k, v in self.interval.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Outcome:
        """The outcome that :meth:`to_json` wrote."""
        interval = {k: (v[0], v[1]) for k, v in data["interval"].items()}
        return cls(**{**data, "interval": interval})


Ask = Callable[[], Trial | None]
"""Gives the next trial, or None when there is nothing to start now."""
Tell = Callable[[Outcome], None]
"""Takes an outcome; called in the launcher's process, one at a time."""
