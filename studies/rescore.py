"""The front scored anew, on validation samples that no trial has seen.

Trials share the samples that they are scored on, so the best of many owe a part of their score to
chance. When the search is done, its front is scored on the samples that were held back, and what is
non-dominated then is the front that is shown and picked from. Structures that were not trained are
reconstructed once more, layer by layer, where that takes no longer than the trials did, and this
form is kept where the samples of the search find it better.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path

from torch import nn

from ..objectives.base import Candidate, Objective
from ..objectives.registry import is_quality
from ..pruners.calibration import Calibration, take
from ..pruners.dense import Dense
from ..pruners.plan import PruningPlan, Recovery
from ..pruners.prune import apply_plan
from ..search.history import Record
from ..task import Task, batch_size
from .guess import guessing
from .holdback import unseen
from .progress import Progress
from .recipe import Journey, measured
from .rescored import Rescoring, Score, is_sound
from .trial import Trial

SAMPLES = (512, 256)
"""Of calibration, that the layer by layer reconstruction is tried with: the most that is paid."""


def score_trials(
    judge: Judge,
    trials: Sequence[tuple[Trial, Record]],
    samples: int,
    run: Path,
    progress: Progress,
) -> Rescoring:
    """Score trials, beside what is known; of every one as soon as it is there in the run's file.

    Args:
        judge: scores them.
        trials: with what the search knows of them.
        samples: see :meth:`Judge.sequential_samples`.
        run: folder of the study; where it cannot be written, nothing is.
        progress: hears of it.
    """
    progress.note(f"scoring {len(trials)} models on {judge.base.samples} samples held back")
    scored = replace(judge.base, trials=judge.known.trials)
    for i, (trial, record) in enumerate(trials):
        found = {trial.number: judge.score(trial, record, samples)}
        others = Rescoring.load(run).trials  # of launchers that score too
        scored = replace(scored, trials={**others, **scored.trials, **found})
        if os.access(run, os.W_OK):
            scored.save(run)
        progress.share((i + 1) / len(trials))
    numbers = [trial.number for trial, _ in trials]
    lost = [n for n in numbers if not is_sound(scored.trials[n].values, judge.objectives)]
    if lost:
        progress.note(
            f"{len(lost)} of {len(trials)} models have scores there that are not finite, and are "
            f"not on the front: trials {', '.join(map(str, lost))}"
        )
    return scored


@dataclass(frozen=True, eq=False)
class Judge:
    """Scores models on the samples held back.

    Attributes:
        journey: rebuilds them.
        known: what was found before.
        objectives: of the study, by name.
    """

    journey: Journey
    known: Rescoring
    objectives: Collection[str] = ()

    @cached_property
    def base(self) -> Rescoring:
        """The dense model's scores, and what was known.

        Raises:
            ValueError: they are not those of a sound model.
        """
        if self.known.samples:
            return self.known
        dense = self.journey.dense.model
        scores = self.measured(Candidate(dense, dense, self.journey.task))
        if not is_sound(scores.values, self.objectives):
            told = ", ".join(f"{n} {v:.4g}" for n, v in scores.values.items() if not isfinite(v))
            raise ValueError(f"the dense model has on the samples held back: {told}")
        guess = guessing(self.task, dense, scores.values, self.measures)
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
