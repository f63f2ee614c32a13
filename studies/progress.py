"""What a study says while it works; the command line draws it, Python callers may listen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .trial import Outcome


@dataclass(frozen=True)
class Status:
    """Where a study stands after one more trial.

    Attributes:
        outcome: of the trial that just ended.
        counts: ``complete`` plans, ``failed``, ``running``, ``waiting``, finished ``rungs``.
        n_trials: plans to finish.
        promotions: trials to expect above rung 0.
        hypervolume: of the front, 1 = dense quality at no cost.
        front: number of models in the front.
    """

    outcome: Outcome
    counts: Mapping[str, Any]
    n_trials: int
    promotions: int
    hypervolume: float
    front: int


class Progress(Protocol):
    """Listens to a study; called in the launcher's thread."""

    def note(self, text: str) -> None:
        """One line that says what is being done now."""

    def share(self, done: float) -> None:
        """How far the thing last noted has come, in [0, 1]."""

    def trial(self, status: Status) -> None:
        """A trial ended."""


class Silent:
    """Says nothing."""

    def note(self, text: str) -> None:
        """See :class:`Progress`."""

    def share(self, done: float) -> None:
        """See :class:`Progress`."""

    def trial(self, status: Status) -> None:
        """See :class:`Progress`."""
