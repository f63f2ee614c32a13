"""What a report shows of a study: read once, in arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from ...errors import NoModelError, UsageError
from ...pruners.profile import Profile
from ...pruners.tree import ModelTree
from ...search.front import Floats, coordinates
from ...search.history import Record
from ...search.rungs import Agreement
from ...search.stopping import Stop
from ..confirmation import Confirmed
from ..picks import picks
from ..prepare import CACHE, read_profile
from ..run_record import ObjectiveInfo, RunRecord
from ..study import Study
from .clock import Clock


@dataclass(frozen=True, eq=False)
class View:
    """A study as it was when it was read.

    Attributes:
        run: the folder, as a command line would name it.
        name: of the folder.
        record: what was asked.
        counts: of trials, by state and rung; see :meth:`Study.counts`.
        trials: the complete ones, in the order in which they ended.
        records: what the strategy reads of them, in the same order.
        clock: seconds of work until each of them had ended.
        points: of the complete trials, to be minimised, shape (records, objectives).
        judged: which of them stand for their plan: on the highest rung that it has reached,
            shape (records,).
        front: indices of the non-dominated among those, from the best in the first objective down.
        pick: index of the one that ``pick`` takes when it is told nothing; ``None`` without one.
        taken: indices of those that were picked.
        failed: trials that failed for good.
        tree: the hierarchy, where the cache still has it.
        profiles: one-layer sensitivities by granularity and criterion, where they were measured
            and the cache still has them.
        confirmed: what was measured of the front's latency, by trial.
        stop: why it ended early, if it did.
        agreements: how well rungs predict the next, from rung 0.
        known: the complete trials as the search knew them, in the same order.
        known_points: those as points, beside the dense model on the samples of the search.
        held_back: samples that the front was scored on and no trial saw; 0 where it was not.
    """

    run: str
    name: str
    record: RunRecord
    counts: dict[str, Any]
    trials: tuple[FrozenTrial, ...]
    records: tuple[Record, ...]
    clock: Clock
    points: Floats
    judged: NDArray[np.bool_]
    front: tuple[int, ...]
    pick: int | None
    taken: tuple[int, ...]
    failed: tuple[FrozenTrial, ...]
    tree: ModelTree | None
    profiles: Mapping[tuple[str, str], Profile]
    confirmed: Mapping[int, Confirmed]
    stop: Stop | None
    agreements: tuple[Agreement, ...]
    known: tuple[Record, ...]
    known_points: Floats
    held_back: int

    @classmethod
    def of(cls, study: Study) -> View:
        """Read a study."""
        trials = sorted(
            (t for t in study.frozen() if t.state.is_finished()),
            key=lambda t: (t.datetime_complete, t.number),
        )
        complete = [t for t in trials if t.state == TrialState.COMPLETE]
        records, known = (
            tuple(look(t) for t in complete) for look in (study.read, study.as_searched)
        )
        points = coordinates(study.record.goal().axes, [r.values for r in records])
        numbers = {r.number for r in study.eligible()}
        judged = np.array([r.number in numbers for r in records], np.bool_)
        place = {r.number: i for i, r in enumerate(records)}
        tree, chosen = tree_of(study), picks(study.run)
        return cls(
            run=str(study.run),
            name=study.run.resolve().name,
            record=study.record,
            counts=study.counts(),
            trials=tuple(complete),
            records=records,
            clock=Clock.of(trials),
            points=points,
            judged=judged,
            front=tuple(place[r.number] for r in study.front_records()),
            pick=picked(study, records),
            taken=tuple(i for i, r in enumerate(records) if r.number in chosen),
            failed=failures(trials, study.frozen()),
            tree=tree,
            profiles=profiles_of(study, tree) if tree else {},
            confirmed=study.confirmation.trials,
            stop=study.stop(),
            agreements=study.agreements(),
            known=known,
            known_points=coordinates(study.asked.goal().axes, [r.values for r in known]),
            held_back=study.rescoring.samples if study.rescored else 0,
        )

    @property
    def objectives(self) -> tuple[ObjectiveInfo, ...]:
        """What is optimised, the first quality first."""
        qualities = self.record.dense.guess
        first = next((o for o in self.record.objectives if o.name in qualities), None)
        rest = [o for o in self.record.objectives if o is not first]
        return (first, *rest) if first else tuple(rest)

    @property
    def shown(self) -> tuple[ObjectiveInfo, ...]:
        """The objectives to draw: at least two, a single one beside what else was measured."""
        others = [o for o in self.record.measured if o not in self.objectives]
        missing = max(0, 2 - len(self.objectives))
        others.sort(key=lambda o: o.name in self.record.dense.guess)
        return (*self.objectives, *others[:missing])

    def values(self, name: str) -> NDArray[np.float64]:
        """One measured number of every complete trial, shape (records,)."""
        return np.array([r.values.get(name, np.nan) for r in self.records], np.float64)

    @cached_property
    def admitted(self) -> NDArray[np.bool_]:
        """Which complete trials satisfy all constraints of the study, shape (records,)."""
        goal = self.record.goal()
        return np.array([goal.violation(r.values) <= 0 for r in self.records], np.bool_)


def picked(study: Study, records: Sequence[Record]) -> int | None:
    """Index of the trial that ``pick`` takes by default."""
    with suppress(NoModelError, UsageError):
        number = study.choose().number
        return next(i for i, r in enumerate(records) if r.number == number)
    return None


def failures(
    trials: Sequence[FrozenTrial], known: Sequence[FrozenTrial]
) -> tuple[FrozenTrial, ...]:
    """The failed trials that no later trial repeats."""
    repeated = {t.user_attrs.get("retry_of") for t in known}
    return tuple(t for t in trials if t.state == TrialState.FAIL and t.number not in repeated)


def tree_of(study: Study) -> ModelTree | None:
    """The hierarchy in the cache; a cache that is gone or damaged costs the report no more."""
    path = study.run / CACHE / "tree.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return ModelTree.from_json(json.loads(path.read_text()))
    return None


def profiles_of(study: Study, tree: ModelTree) -> dict[tuple[str, str], Profile]:
    """The sensitivities in the cache, of as many groups as the tree has."""
    space = study.record.space
    found = {}
    for granularity in space.granularities:
        for criterion in space.criteria[granularity]:
            profile = read_profile(study.run / CACHE, granularity, criterion)
            if profile is not None and len(profile.rise) == len(tree.units(granularity)):
                found[granularity, criterion] = profile
    return found
