"""The front scored anew, on validation samples that no trial has seen: ``RUN/rescored.json``.

Trials share the samples that they are scored on, so the best of many owe a part of their score to
chance. When the search is done, its front is scored on the samples that were held back, and what is
non-dominated then is the front that is shown and picked from. Structures that were not trained are
reconstructed once more, layer by layer, where that takes no longer than the trials did, and this
form is kept where the samples of the search find it better.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ..objectives.base import Candidate, Objective
from ..objectives.registry import is_quality
from ..pruners.calibration import Calibration, take
from ..pruners.dense import Dense
from ..pruners.plan import PruningPlan, Recovery
from ..pruners.prune import apply_plan
from ..search.front import coordinates, non_dominated, spread_order
from ..search.history import Record, current
from ..task import Task, batch_size
from .begin import guessing
from .holdback import unseen
from .progress import Progress, Silent
from .recipe import Journey, measured
from .run_record import RunRecord
from .trial import Trial
from .whole import write_whole

if TYPE_CHECKING:
    from .study import Study

FILE = "rescored.json"
MEMBERS = 100
"""Models of a front that are scored anew; of a larger front as many, well spread."""
SAMPLES = (512, 256)
"""Of calibration, that the layer by layer reconstruction is tried with: the most that is paid."""
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


def score_of(data: Mapping[str, Any]) -> Score:
    """The score that was saved."""
    interval = {k: (v[0], v[1]) for k, v in data["interval"].items()}
    return Score(data["values"], interval, data["sequential"])


def members(asked: RunRecord, records: Sequence[Record]) -> list[int]:
    """Numbers of the trials that deserve it: the front, and that of those that are allowed."""
    goal, records = asked.goal(), current(records)
    allowed = [r for r in records if goal.violation(r.values) <= 0]
    found: dict[int, None] = {}
    for some in (records, allowed):
        points = coordinates(goal.axes, [r.values for r in some])
        front = [r for r, keep in zip(some, non_dominated(points), strict=True) if keep]
        points = coordinates(goal.axes, [r.values for r in front])
        found |= dict.fromkeys(front[i].number for i in spread_order(points)[:MEMBERS])
    return sorted(found)


def rescore(study: Study, progress: Progress | None = None, task: Task | None = None) -> None:
    """Score the front of a study anew, if samples were held back; what is scored already stays.

    Args:
        study: whose front.
        progress: hears of it.
        task: needed where the study was given a Python object.
    """
    if study.asked.held_back:
        rescore_trials(study, members(study.asked, study.searched()), progress, task)


def rescore_trials(
    study: Study,
    numbers: Sequence[int],
    progress: Progress | None = None,
    task: Task | None = None,
) -> None:
    """Score these trials anew, in the study and, where that can be written, in the file.

    A score is kept as soon as it is there, beside those of other launchers that score too.
    """
    known, progress = study.rescoring, progress or Silent()
    todo = [n for n in numbers if n not in known.trials]
    if not todo:
        study.reread()
        return
    judge = Judge(study.journey(task), known)
    models = len(members(study.asked, study.searched()))
    count = judge.sequential_samples(models, study.counts()["complete"])
    progress.note(f"scoring {len(todo)} models on {judge.base.samples} samples held back")
    scored = replace(judge.base, trials=known.trials)
    for i, (trial, record) in enumerate(study.trials_of(todo)):
        found = {trial.number: judge.score(trial, record, count)}
        others = Rescoring.load(study.run).trials
        scored = replace(scored, trials={**others, **scored.trials, **found})
        if os.access(study.run, os.W_OK):
            scored.save(study.run)
        progress.share((i + 1) / len(todo))
    study.take_scores(scored)


@dataclass(frozen=True, eq=False)
class Judge:
    """Scores models on the samples held back.

    Attributes:
        journey: rebuilds them.
        known: what was found before.
    """

    journey: Journey
    known: Rescoring

    @cached_property
    def base(self) -> Rescoring:
        """The dense model's scores, and what was known."""
        if self.known.samples:
            return self.known
        dense = self.journey.dense.model
        guess = guessing(self.task, dense, self.measures)
        scores = self.measured(Candidate(dense, dense, self.journey.task))
        return Rescoring(samples_in(self.task), scores, guess)

    @cached_property
    def task(self) -> Task:
        """With the samples held back as its validation split."""
        return unseen(self.journey.task)

    @property
    def measures(self) -> list[Objective]:
        """The objectives that depend on samples."""
        return [o for o in self.journey.objectives if is_quality(o)]

    def measured(self, candidate: Candidate, sequential: int = 0) -> Score:
        """The score of one model."""
        values, interval = measured(replace(candidate, task=self.task), self.measures)
        return Score(values, interval, sequential)

    def candidate(self, model: nn.Module, plan: PruningPlan) -> Candidate:
        """A model as the trials measure it, on their samples."""
        journey = self.journey
        file = journey.file(model, plan)
        return Candidate(model, journey.dense.model, journey.task, file=file)

    def sequential_samples(self, models: int, trials: int) -> int:
        """Samples to reconstruct with layer by layer; 0 where even few would take too long.

        It runs both models once per layer; all of it may take as many forwards of a sample as the
        trials' validation did.
        """
        layers = 2 * len(self.journey.dense.statistics) * models
        paid = trials * samples_in(self.journey.task)
        return next((n for n in SAMPLES if layers * n <= paid), 0)

    def score(self, trial: Trial, record: Record, samples: int) -> Score:
        """The new score of one trial, in the better of its two forms."""
        if samples and has_two_forms(trial):
            again = self.candidate(*sequential_form(self.journey.dense, trial.plan, samples))
            if again.quality["loss"].value < record.values["loss"]:
                return self.measured(again, samples)
        return self.measured(self.candidate(*self.journey.rebuilt(trial)))


def samples_in(task: Task) -> int:
    """Samples of the validation split."""
    return sum(batch_size(inputs) for inputs, _ in task.batches("val"))


def has_two_forms(trial: Trial) -> bool:
    """Whether a trial's model can be reconstructed in another way: structures, not trained."""
    recovery = trial.plan.recovery
    cut = trial.plan.granularity == "channel"
    return trial.rung == 0 and cut and recovery.reconstruct and not recovery.sequential


def sequential_form(dense: Dense, plan: PruningPlan, samples: int) -> tuple[nn.Module, PruningPlan]:
    """The model of a plan, reconstructed layer by layer on so many samples; plan with the units."""
    fewer = Calibration(tuple(take(dense.calibration.batches, samples)), dense.calibration.loss)
    recovery: Recovery = replace(plan.recovery, sequential=True)
    return apply_plan(replace(dense, calibration=fewer), replace(plan, recovery=recovery))


def final_form(
    journey: Journey, trial: Trial, score: Score | None
) -> tuple[nn.Module, PruningPlan]:
    """The model that a trial's score speaks of, and its plan with the units kept."""
    if score is None or not score.sequential:
        return journey.rebuilt(trial)
    model, plan = sequential_form(journey.dense, trial.plan, score.sequential)
    return model.eval(), plan


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
