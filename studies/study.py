"""A study to look at and choose from: trials, front, pick."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from optuna.trial import FrozenTrial, TrialState
from torch import nn

from ..errors import NoModelError, UsageError
from ..objectives.base import Candidate
from ..objectives.latency import Latency
from ..objectives.onnx_model import OnnxModel
from ..search.front import coordinates, hypervolume, non_dominated
from ..search.history import Record, current, read
from ..search.rungs import Agreement, Agreements
from ..search.stopping import Stop
from ..task import Task
from .book import Book
from .changes import changes
from .choice import Choice
from .confirmation import Confirmation, verdict
from .doubt import doubtful
from .kept_picture import kept_picture
from .latency_words import latency_words
from .notebook import notebook_html
from .picked import Picked
from .progress import Progress, Silent
from .reasons import reasons
from .recipe import Journey, check_dense, measured, open_journey, task_of
from .records import is_ours, to_trial
from .rescore import Judge, final_form, score_trials
from .rescored import Rescoring, is_sound, members, score_words
from .rows import bounds_of, row_of
from .run_record import RunRecord
from .storage import open_storage, read_storage
from .trial import Trial


@dataclass(eq=False)
class Study:
    """A run folder, opened.

    Attributes:
        run: the folder.
        asked: what was asked.
        task: as given, or ``None`` until it is needed.
        confirmation: what was measured of the front's latency.
        rescoring: what was measured on validation samples that were held back.
        rescored: whether the front is shown as scored on these.
        interrupted: whether the last launch or resume was stopped before it was done.
    """

    run: Path
    asked: RunRecord
    task: Task | None = None
    interrupted: bool = False
    confirmation: Confirmation = field(init=False)
    rescoring: Rescoring = field(init=False)
    rescored: bool = field(init=False)

    def __post_init__(self) -> None:
        """Open the storage; of a folder that cannot be written, to read alone."""
        open_one = open_storage if os.access(self.run, os.W_OK) else read_storage
        storage = open_one(self.run, self.asked.storage)
        self.asked.check_known(storage, self.run)
        self._book = Book(storage, self.asked.name_at(self.run), self.asked.directions)
        self.reread()

    def reread(self) -> None:
        """Take note of what was confirmed and scored anew in the meantime."""
        self.confirmation = Confirmation.load(self.run, self.asked.latency.setting)
        self.take_scores(Rescoring.load(self.run))

    def take_scores(self, rescoring: Rescoring) -> None:
        """Show the front by these scores, if they are numbers and of all its members."""
        self.rescoring, known = rescoring, rescoring.trials.keys()
        usable = bool(known) and is_sound(rescoring.dense.values, self.asked.directions)
        self.rescored = usable and set(self.members()) <= known

    def rescore(self, progress: Progress | None = None, task: Task | None = None) -> None:
        """Score the front anew, if samples were held back; what is scored already stays.

        Args:
            progress: hears of it.
            task: needed where the study was given a Python object.
        """
        if self.asked.held_back:
            self._score(self.members(), progress, task)

    def _score(
        self, numbers: Sequence[int], progress: Progress | None = None, task: Task | None = None
    ) -> None:
        todo = [n for n in numbers if n not in self.rescoring.trials]
        if not todo:
            self.reread()
            return
        judge = Judge(self.journey(task), self.rescoring, self.asked.directions)
        samples = judge.sequential_samples(len(self.members()), self.counts()["complete"])
        trials = list(self.trials_of(todo))
        self.take_scores(score_trials(judge, trials, samples, self.run, progress or Silent()))

    def members(self, where: Sequence[str] = ()) -> list[int]:
        """Numbers of the trials that deserve to be scored anew.

        Args:
            where: constraints in the place of the study's own.
        """
        asked = replace(self.asked, where=tuple(where)) if where else self.asked
        return members(asked, self.searched())

    @property
    def record(self) -> RunRecord:
        """What was asked, with the scores of dense and guessing on the samples of the front."""
        return self.rescoring.of_dense(self.asked) if self.rescored else self.asked

    @classmethod
    def open(cls, run: str | Path, task: Task | None = None) -> Study:
        """Open the study in a run folder, to read it.

        Raises:
            UsageError: the folder holds none, or its database does not.
        """
        folder = Path(run)
        return cls(folder, RunRecord.load(folder), task)

    def frozen(self) -> list[FrozenTrial]:
        """All trials as Optuna keeps them, by number; not to be changed."""
        return [t for t in self._book.trials() if is_ours(t)]

    def finished(self) -> list[Record]:
        """The complete trials, by number."""
        return [self.read(t) for t in self.frozen() if t.state == TrialState.COMPLETE]

    def judged(self) -> list[Record]:
        """The complete trials by number, every plan on the highest rung that it has reached."""
        return current(self.finished())

    def stop(self) -> Stop | None:
        """Why no more plans are started though fewer than asked for are finished."""
        return self.asked.stopping()(self._book.trials())

    def agreements(self) -> tuple[Agreement, ...]:
        """How well every rung predicts the next, from rung 0."""
        found = Agreements()
        for record in sorted(self.searched(), key=lambda r: r.rung):
            found.add(record)
        return found.found()

    def searched(self) -> list[Record]:
        """The complete trials as the search knows them, by number."""
        return [read(t) for t in self.frozen() if t.state == TrialState.COMPLETE]

    def read(self, trial: FrozenTrial) -> Record:
        """The record of a trial, with confirmed latency and new scores where it has them."""
        record = self.as_searched(trial)
        return self.rescoring.applied(record) if self.rescored else record

    def as_searched(self, trial: FrozenTrial) -> Record:
        """The record of a trial as the search knew it, with its confirmed latency."""
        return self.confirmation.applied(read(trial), self.dense_ms)

    def eligible(self, also: Collection[int] = ()) -> list[Record]:
        """The trials that may be on the front: those scored anew, once that is done, else all.

        Args:
            also: numbers of trials that are taken for members of the front.
        """
        if not self.rescored:
            return self.judged()
        known = self.rescoring.trials.keys() & {*self.members(), *also}
        return [r for r in self.judged() if r.number in known]

    def trials_of(self, numbers: Sequence[int]) -> Iterator[tuple[Trial, Record]]:
        """Trials by number, to be rebuilt, with what the search knows of them."""
        frozen = self._book.trials()
        return ((to_trial(frozen[n]), read(frozen[n])) for n in numbers)

    @property
    def dense_ms(self) -> float:
        """Milliseconds of the dense model's forward; NaN where latency was not measured."""
        return self.asked.dense.values.get(Latency.name, float("nan"))

    def latency_of(self, record: Record) -> dict[str, str]:
        """How a trial's latency is known, and what it says against dense; empty without one."""
        if Latency.name not in record.values:
            return {}
        known = "confirmed" if record.number in self.confirmation.trials else None
        return {
            "latency_known": known or self.record.latency.mode,
            "against_dense": verdict(record, self.dense_ms),
        }

    def counts(self) -> dict[str, Any]:
        """``complete`` plans, ``failed``, ``running``, ``waiting`` trials, finished ``rungs``."""
        self._book.trials()
        return dict(self._book.tally.counts())

    def trials(self) -> pd.DataFrame:
        """All trials: state, rung, everything measured, global ratio, density of every group."""
        rows = [
            {"trial": t.number, "state": t.state.name.lower(), **row_of(self.read(t))}
            for t in self.frozen()
        ]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()

    def front_records(self) -> list[Record]:
        """The non-dominated trials, from the best in the first objective down.

        A plan that went up the rungs stands for itself there alone.
        """
        return self.front_of(self.eligible())

    def allowed_front(self) -> list[Record]:
        """The non-dominated ones of the trials that satisfy the constraints: :meth:`pick`'s choice.

        Some of them are not on the front, where a trial that breaks a constraint is better.
        """
        goal = self.record.goal()
        return self.front_of([r for r in self.eligible() if goal.violation(r.values) <= 0])

    def front_of(self, records: list[Record]) -> list[Record]:
        """The non-dominated ones, from the best in the first objective down."""
        records = [r for r in records if is_sound(r.values, self.asked.directions)]
        points = coordinates(self.record.goal().axes, [r.values for r in records])
        front = [i for i in np.flatnonzero(non_dominated(points))]
        return [records[i] for i in sorted(front, key=lambda i: points[i, 0])]

    def front(self) -> pd.DataFrame:
        """The Pareto front: a row per model, everything measured and what it is made of.

        ``NAME_low`` and ``NAME_high`` are the ends of 95 % intervals.
        """
        rows = [
            {"trial": r.number, **row_of(r), **self.latency_of(r), **bounds_of(r)}
            for r in self.front_records()
        ]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()

    def doubts(self) -> Mapping[int, int]:
        """By trial of the front that cannot be told from a cheaper one there, the cheaper one."""
        return doubtful(self.record.goal(), self.front_records())

    def hypervolume(self) -> float:
        """Hypervolume of the front: 1 = dense quality at no cost, 0 = nothing beyond guessing."""
        axes = self.record.goal().axes
        return hypervolume(coordinates(axes, [r.values for r in self.front_records()]))

    def _repr_html_(self) -> str:
        """As a notebook shows it."""
        front = self.front_records()
        return notebook_html(self.record, self.counts(), front, self.hypervolume())

    def to_json(self) -> dict[str, Any]:
        """The front and how it was found, the layout of ``front --json``."""
        stop, front, doubts = self.stop(), self.front_records(), self.doubts()
        return {
            "run": str(self.run),
            "task": self.record.task,
            "data": self.record.data,
            "objectives": [vars(o) for o in self.record.objectives],
            "dense": dict(self.record.dense.values),
            "trials": self.counts(),
            "hypervolume": self.hypervolume(),
            "stopped": None if stop is None else vars(stop),
            "agreement": [vars(a) for a in self.agreements()],
            "scored_on": self.scored_on,
            "front": [
                {
                    "trial": r.number,
                    "rung": r.rung,
                    "values": dict(r.values),
                    "interval": {k: list(v) for k, v in r.interval.items()},
                    "within_noise_of": doubts.get(r.number),
                    **self.latency_of(r),
                    "plan": dict(r.plan),
                    "seconds": sum(r.seconds.values()),
                }
                for r in front
            ],
        }

    def pick(
        self,
        where: Sequence[str] = (),
        prefer: str = "knee",
        trial: int | None = None,
        *,
        task: Task | None = None,
    ) -> Picked:
        """Choose one model, rebuild it and read the test split, once.

        Args:
            where: constraints that must hold on the validation scores; default: the study's own.
            prefer: ``"knee"`` of the front, or an objective to be best in.
            trial: take this one instead.
            task: needed when the study was given a Python object.

        Raises:
            UsageError: no finished trial, an unknown name, or a constraint that does not parse.
            NoModelError: no model satisfies the constraints.
        """
        journey = self.journey(task)
        chosen = self.chosen(where, prefer, trial)
        found = self.rescoring.trials.get(chosen.number) if self.rescored else None
        model, plan = final_form(journey, next(self.trials_of([chosen.number]))[0], found)
        file = journey.file(model, plan)
        test, test_interval = self.tested(journey, model, file)
        dense_test, dense_test_interval = self.tested(journey, journey.dense.model)
        limits = where or self.record.where
        return Picked(
            chosen.number,
            model,
            plan,
            chosen.values,
            chosen.interval,
            test,
            dense_test,
            self.record,
            test_interval=test_interval,
            dense_test_interval=dense_test_interval,
            why=reasons(
                self.record, self.front_records(), chosen, limits, prefer, asked=trial is not None
            ),
            latency=latency_words(self.record, self.confirmation, chosen.number),
            scored=score_words(self.rescoring.samples if self.rescored else 0, found),
            changes=changes(journey.dense.model, model),
            picture=kept_picture(journey.dense, model, plan),
            where=limits,
            run=self.run,
            file=file,
        )

    @property
    def scored_on(self) -> str:
        """Validation samples of the front's scores: ``held back``, ``searched`` or ``all``."""
        if self.rescored:
            return "held back"
        return "searched" if self.asked.held_back else "all"

    def chosen(self, where: Sequence[str], prefer: str, trial: int | None) -> Record:
        """:meth:`choose`, with every model that is taken scored on what was held back.

        Scored when they were not yet are a named trial, or the front of what satisfies the
        constraints, and where none of it does on these samples, all others that seem to.
        """
        if not self.rescored:
            return self.choose(where, prefer, trial)
        with suppress(NoModelError):  # bad arguments end it before anything is scored
            self.choose(where, prefer, trial)
        others = [trial] if trial is not None else self.members(where) if where else []
        self._score(others)
        try:
            return self.choose(where, prefer, trial, also=others)
        except NoModelError:
            others = self.promising(where)
            self._score(others)
            return self.choose(where, prefer, trial, also=others)

    def promising(self, where: Sequence[str]) -> list[int]:
        """Numbers of the trials that satisfy constraints as the search knows them."""
        choice = Choice.of(self.asked, where, "knee")
        return [r.number for r in choice.feasible(current(self.searched()))]

    def choose(
        self,
        where: Sequence[str] = (),
        prefer: str = "knee",
        trial: int | None = None,
        *,
        also: Collection[int] = (),
    ) -> Record:
        """The finished trial that :meth:`pick` takes; same arguments and errors.

        ``also`` are trials to choose from besides those of :meth:`eligible`.
        """
        finished = {r.number: r for r in self.finished()}
        if not finished:
            raise UsageError(f"{self.run} has no finished trial yet; resume it first")
        choice = Choice.of(self.record, where, prefer)
        if trial is None:
            return choice(self.eligible(also))
        if trial not in finished:
            raise UsageError(f"trial {trial} of {self.run} is not finished or does not exist")
        return finished[trial]

    def journey(self, task: Task | None = None) -> Journey:
        """What rebuilds the models of this study; builds the task when that was not done yet."""
        self.task = task or self.task or task_of(self.record)
        journey = open_journey(self.run, self.asked, self.task)
        check_dense(journey, self.asked)
        return journey

    def tested(
        self, journey: Journey, model: nn.Module, file: OnnxModel | None = None
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """Every objective but latency on the test split, and the intervals."""
        objectives = [o for o in journey.objectives if o.name != Latency.name]
        candidate = Candidate(model, journey.dense.model, journey.task, "test", file)
        return measured(candidate, objectives)
