"""What a search cost in time: the hours in which something ran, pauses left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState

Span = tuple[float, float]


@dataclass(frozen=True)
class Clock:
    """Times of a study, in seconds.

    Attributes:
        elapsed: until each complete trial had ended, in that order: time in which at least one
            trial ran.
        total: the same until the last trial had ended.
        work: sum over all trials, side by side or not.
    """

    elapsed: tuple[float, ...]
    total: float
    work: float

    @classmethod
    def of(cls, trials: Sequence[FrozenTrial]) -> Clock:
        """Read finished trials, ordered by their end."""
        counted = [(t, span) for t in trials if (span := span_of(t)) is not None]
        spans = [span for _, span in counted]
        covered = union_until(spans)
        complete = [t.state == TrialState.COMPLETE for t, _ in counted]
        return cls(
            tuple(c for c, done in zip(covered, complete, strict=True) if done),
            covered[-1] if covered else 0.0,
            sum(end - start for start, end in spans),
        )


def span_of(trial: FrozenTrial) -> Span | None:
    """From when to when a trial ran; ``None`` for one whose process died, nobody knows when.

    A trial that was told late, by another launcher, counts with the seconds that it measured.
    """
    outcome = trial.user_attrs.get("outcome") or {}
    if trial.datetime_complete is None or outcome.get("kind") == "died":
        return None
    end = trial.datetime_complete.timestamp()
    if seconds := sum(outcome.get("seconds", {}).values()):
        return end - seconds, end
    start = trial.datetime_start or trial.datetime_complete
    return start.timestamp(), end


def union_until(spans: Sequence[Span]) -> list[float]:
    """Length of the union of the first ``i`` spans, for every ``i``; ordered by their ends.

    >>> union_until([(0, 2), (1, 3), (10, 11), (2, 12)])
    [2.0, 3.0, 4.0, 12.0]
    """
    merged: list[Span] = []
    closed = 0.0  # length of all merged spans
    lengths = []
    for start, end in spans:
        while merged and merged[-1][1] >= start:
            low, high = merged.pop()
            closed -= high - low
            start = min(start, low)
        merged.append((start, end))
        closed += end - start
        lengths.append(closed)
    return lengths
