"""Scores on validation samples that no trial has seen: ``RUN/rescored.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..search.front import coordinates, non_dominated, spread_order
from ..search.history import Record, current
from ..search.rungs import Finished, ranked
from ..whole import write_whole
from .run_record import RunRecord

FILE = "rescored.json"
MEMBERS = 100
"""Models of a front that are scored anew; of a larger front as many, well spread."""
CONTENDERS = 10
"""Models that are, where a single quality leaves a front of one."""
Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Score:
    """Qualities of one model on the samples held back.

    Attributes:
        values: by name.
        interval: 95 % intervals, by name.
        sequential: calibration samples of its reconstruction layer by layer; 0 = as in its trial.
    """

    values: Mapping[str, float]
    interval: Intervals = field(default_factory=dict)
    sequential: int = 0


@dataclass(frozen=True)
class Rescoring:
    """What is known of the samples held back.

    Attributes:
        samples: how many they are.
        dense: the dense model on them.
        guess: guessing on them, by name.
        trials: scores by number.
    """

    samples: int = 0
    dense: Score = field(default_factory=lambda: Score({}))
    guess: Mapping[str, float] = field(default_factory=dict)
    trials: Mapping[int, Score] = field(default_factory=dict)

    def save(self, run: Path) -> None:
        """Write ``rescored.json``; readers see the old file or the whole new one."""
        data = {
            "samples": self.samples,
            "dense": vars(self.dense),
            "guess": dict(self.guess),
            "trials": {str(n): vars(s) for n, s in sorted(self.trials.items())},
        }
        write_whole(run / FILE, json.dumps(data, indent=1) + "\n")

    @classmethod
    def load(cls, run: Path) -> Rescoring:
        """What the run knows; nothing where the file is missing or damaged."""
        try:
            data = json.loads((run / FILE).read_text())
            trials = {int(n): score_of(s) for n, s in data["trials"].items()}
            return cls(data["samples"], score_of(data["dense"]), data["guess"], trials)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def of_dense(self, asked: RunRecord) -> RunRecord:
        """The record of the study with what the dense model and guessing score on these samples."""
        dense = asked.dense
        values = {**dense.values, **self.dense.values}
        interval = {**dense.interval, **self.dense.interval}
        guess = {**dense.guess, **self.guess}
        return replace(asked, dense=replace(dense, values=values, interval=interval, guess=guess))

    def applied(self, record: Record) -> Record:
        """A trial with its new scores, if it has them."""
        score = self.trials.get(record.number)
        if score is None:
            return record
        values = {**record.values, **score.values}
        return replace(record, values=values, interval={**record.interval, **score.interval})


def is_sound(scores: Mapping[str, float], objectives: Iterable[str]) -> bool:
    """Whether the objectives among the scores are finite, and the loss is a number."""
    finite = all(math.isfinite(scores[name]) for name in objectives if name in scores)
    return finite and not math.isnan(scores.get("loss", 0.0))


def score_of(data: Mapping[str, Any]) -> Score:
    """The score that was saved."""
    interval = {k: (v[0], v[1]) for k, v in data["interval"].items()}
    return Score(data["values"], interval, data["sequential"])


def members(asked: RunRecord, records: Sequence[Record]) -> list[int]:
    """Numbers of the trials that deserve it: the front, and that of those that are allowed.

    Where a quality is all that is asked, the next best ones too, since the first owes more than
    they do to the samples that chose it.
    """
    goal, records = asked.goal(), current(records)
    allowed = [r for r in records if goal.violation(r.values) <= 0]
    found: dict[int, None] = {}
    for some in (records, allowed):
        points = coordinates(goal.axes, [r.values for r in some])
        front = [r for r, keep in zip(some, non_dominated(points), strict=True) if keep]
        points = coordinates(goal.axes, [r.values for r in front])
        found |= dict.fromkeys(front[i].number for i in spread_order(points)[:MEMBERS])
    if goal.one_quality:
        best = ranked([Finished(r.number, r.values) for r in records], goal.sought)
        found |= dict.fromkeys(best[:CONTENDERS])
    return sorted(found)


def score_words(samples: int, score: Score | None) -> str:
    """Which samples the validation scores of a picked model are from, in a sentence.

    Args:
        samples: held back, on which it was scored; 0 where it was not.
        score: on them.
    """
    once = "The test split was read once for this model, when it was picked."
    if not samples or score is None:
        return f"Validation scores chose this model, so they flatter it a little. {once}"
    form = ", reconstructed layer by layer after the search," if score.sequential else ""
    return (
        f"Validation scores{form} are from {samples:,} samples that no trial saw, the dense "
        f"model's too; the choice among the models scored there was made by them. {once}"
    )
