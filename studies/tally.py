"""Counts over a growing list of trials, at a cost that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from .records import is_ours


class Tally:
    """Looks at every trial until it is finished, and never again."""

    def __init__(self) -> None:
        self._seen = 0
        self._open: list[FrozenTrial] = []
        self._complete: Counter[int] = Counter()  # by rung
        self._failed: set[int] = set()
        self._retries: dict[int, int] = {}  # trial -> the trial that repeats it

    def update(self, trials: Sequence[FrozenTrial]) -> None:
        """Take note of all trials of the study, ordered by number."""
        new = [trial for trial in trials[self._seen :] if is_ours(trial)]
        for trial in new:
            if "retry_of" in trial.user_attrs:
                self._retries[trial.user_attrs["retry_of"]] = trial.number
        candidates = [trials[trial.number] for trial in self._open] + new
        self._open = []
        for trial in candidates:
            self._sort(trial)
        self._seen = len(trials)

    def _sort(self, trial: FrozenTrial) -> None:
        if trial.state == TrialState.COMPLETE:
            self._complete[trial.user_attrs["rung"]] += 1
        elif trial.state.is_finished():
            self._failed.add(trial.number)
        else:
            self._open.append(trial)

    def in_state(self, state: TrialState) -> list[FrozenTrial]:
        """The running or the waiting trials, by number."""
        return [trial for trial in self._open if trial.state == state]

    def retry(self, number: int) -> int | None:
        """The trial that repeats this one."""
        return self._retries.get(number)

    def last_attempt(self, number: int) -> int:
        """The last trial in the chain of repetitions that starts with this one."""
        while number in self._retries:
            number = self._retries[number]
        return number

    def plans(self) -> int:
        """Plans that have, or may still get, a finished trial of rung 0."""
        live = [t for t in self._open if t.number not in self._retries]
        return self._complete[0] + len([t for t in live if t.user_attrs["rung"] == 0])

    def counts(self) -> dict[str, Any]:
        """``complete`` (plans), ``failed``, ``running``, ``waiting``, ``rungs`` (from rung 0)."""
        top = max(self._complete, default=0)
        return {
            "complete": self._complete[0],
            "failed": len(self._failed - self._retries.keys()),
            "running": len(self.in_state(TrialState.RUNNING)),
            "waiting": len(self.in_state(TrialState.WAITING)),
            "rungs": [self._complete[rung] for rung in range(top + 1)],
        }
