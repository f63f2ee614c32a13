"""The best plans up the rungs: which trial of a higher rung is due."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from ..pruners.plan import PruningPlan
from .front import Floats, coordinates
from .goal import Goal
from .history import Reader, Record, has_result, read
from .outlook import foretold, gains
from .proposal import Proposal
from .recipes import Recipes, Tried, next_recipe, recipe_of
from .rungs import Agreements, Finished, Rungs, classes, ranked


@dataclass
class Promoter:
    """Proposes promotions from the record alone; who only asks learns whether any is due.

    Attributes:
        goal: objectives, constraints and the dense model's values.
        rungs: the ladder.
        recipes: what may vary in training.
        seed: of the study.
    """

    goal: Goal
    rungs: Rungs
    recipes: Recipes = field(default_factory=Recipes)
    seed: int = 0
    _read: Reader = field(default_factory=Reader, init=False)

    def __call__(self, trials: Sequence[FrozenTrial]) -> Proposal | None:
        """The plan that most deserves the lowest rung with room, once the rung below is done."""
        if self.rungs.max_epochs <= 0:
            return None
        records = [self._read(t) for t in trials]
        repeated = {r.retry_of for r in records}
        sizes = self.sizes(trials, records)
        for rung in range(1, len(self.rungs.epochs)):
            below = [t for t, r in zip(trials, records, strict=True) if r.rung == rung - 1]
            if any(not t.state.is_finished() for t in below):
                return None
            started = {r.parent for r in records if r.rung == rung and r.number not in repeated}
            if len(started) >= sizes[rung]:
                continue
            chosen = self.deserving(trials, rung, started)
            if chosen is not None:
                return self.with_recipe(self.promote(chosen, rung), trials)
        return None

    def sizes(self, trials: Sequence[FrozenTrial], records: Sequence[Record]) -> tuple[int, ...]:
        """Plans by rung, by what is finished and by how well rungs predicted the next so far."""
        agreements = Agreements()
        done = [r for t, r in zip(trials, records, strict=True) if has_result(t)]
        for record in sorted(done, key=lambda r: r.rung):
            agreements.add(record)
        plans = sum(r.rung == 0 for r in done)
        return self.rungs.sizes(plans, agreements.found())

    def deserving(
        self, trials: Sequence[FrozenTrial], rung: int, started: set[int | None]
    ) -> FrozenTrial | None:
        """The complete trial of the rung below that should go up next; equal plans go up once.

        Args:
            trials: of the study.
            rung: that one of them goes up to.
            started: numbers of those that have gone up to it.
        """
        below = {t.number: t for t in trials if has_result(t) and self._read(t).rung == rung - 1}
        gone_up = {digest(below[n]) for n in below if n in started}
        for number in self.line(below, trials, rung, started):
            if digest(below[number]) not in gone_up:
                return below[number]
        return None

    def line(
        self,
        below: Mapping[int, FrozenTrial],
        trials: Sequence[FrozenTrial],
        rung: int,
        started: set[int | None],
    ) -> Iterator[int]:
        """Numbers of the plans that have not gone up yet, in the order in which they should.

        Where a quality is all that is asked, the best of every base allocation goes to rung 1
        first. The other plans were bent to the score of rung 0, which flatters them: at a quarter
        of ResNet-20's multiply-accumulates, eight of them had 0.906 after an epoch, their base
        0.910.
        """
        finished = [Finished(n, self._read(t).values) for n, t in below.items()]
        if self.goal.one_quality and rung == 1:
            order = ranked(finished, self.goal)
            order = first_of_each(order, [self.base(below[n]) for n in order])
            yield from (n for n in order if n not in started)
            return
        waiting = [f for f in finished if f.number not in started]
        for members in classes(waiting, self.goal):
            gained = self.gains(members, trials, rung)
            yield from sorted(members, key=lambda n: -gained[n])

    def gains(
        self, members: Sequence[int], trials: Sequence[FrozenTrial], rung: int
    ) -> Mapping[int, float]:
        """What is expected of training each of some plans, in hypervolume, by number.

        Every other plan stands where its highest rung has put it, or, while it is being trained,
        where it is expected.
        """
        done = {t.number: self._read(t) for t in trials if has_result(t)}
        above = [r for r in done.values() if r.rung == rung and r.parent in done]
        under_way = [self._read(t) for t in trials if not t.state.is_finished()]
        moved = {r.parent for r in [*done.values(), *under_way]}
        running = [done[r.parent] for r in under_way if r.rung == rung and r.parent in done]
        before = self.points([done[r.parent] for r in above if r.parent in done])
        waiting = self.points([*running, *(done[n] for n in members)])
        foreseen = foretold(self.goal.axes, before, self.points(above), waiting)
        rest = self.points([r for n, r in done.items() if n not in moved])
        standing = np.concatenate([rest, foreseen[: len(running)]])
        return dict(zip(members, gains(standing, foreseen[len(running) :]), strict=True))

    def points(self, records: Sequence[Record]) -> Floats:
        """Records as points to minimise, shape (N, m)."""
        return coordinates(self.goal.axes, [r.values for r in records])

    def base(self, trial: FrozenTrial) -> str:
        """What the plan is a point of; ``""`` where offsets bend it or a cost is too high."""
        record = self._read(trial)
        local = trial.params.get(f"{record.plan['granularity']}.local", "none")
        straight = local == "none" and record.plan["allocation"] != "flat"
        if not straight or self.goal.violation(record.values, costs_only=True) > 0:
            return ""
        names = ("granularity", "criterion", "allocation", "quantization")
        return "/".join(str(record.plan.get(name)) for name in names)

    def promote(self, trial: FrozenTrial, rung: int) -> Proposal:
        """The same plan with the recovery of a rung."""
        plan = PruningPlan.from_json(read(trial).plan)
        recovery = replace(plan.recovery, epochs=self.rungs.epochs[rung])
        return Proposal(
            trial.params,
            trial.distributions,
            replace(plan, recovery=recovery),
            rung=rung,
            parent=trial.number,
        )

    def with_recipe(self, proposal: Proposal, trials: Sequence[FrozenTrial]) -> Proposal:
        """A promotion with its recipe: drawn for the first rung that trains, kept on all others."""
        if proposal.rung > 1 or not self.recipes.names:
            return proposal
        params, distributions = next_recipe(self.recipes, self.tried(trials), self.seed)
        recovery = self.recipes.applied(proposal.plan.recovery, params)
        return replace(
            proposal,
            params={**proposal.params, **params},
            distributions={**proposal.distributions, **distributions},
            plan=replace(proposal.plan, recovery=recovery),
        )

    def tried(self, trials: Sequence[FrozenTrial]) -> list[Tried]:
        """The recipes so far; of trials that were lost and repeated, those of the repetition."""
        records = [self._read(t) for t in trials]
        repeated = {r.retry_of for r in records}
        by_number = {r.number: r for r in records}
        axis, found = self.goal.quality, []
        for trial, record in zip(trials, records, strict=True):
            if record.rung != 1 or record.parent is None or record.number in repeated:
                continue
            after = math.nan if trial.state.is_finished() else None
            if trial.state == TrialState.COMPLETE:
                after = axis(record.values[axis.name])
            before = axis(by_number[record.parent].values[axis.name])
            found.append(Tried(recipe_of(trial.params), before, after))
        return found


def first_of_each(order: Sequence[int], bases: Sequence[str]) -> list[int]:
    """The first of every base, then the others, both in order; ``""`` is no base.

    >>> first_of_each([4, 7, 1, 3, 9], ["", "lamp", "lamp", "dp", ""])
    [7, 3, 4, 1, 9]
    """
    firsts = {base: n for n, base in zip(reversed(order), reversed(bases), strict=True) if base}
    return sorted(order, key=lambda n: n not in firsts.values())


def digest(trial: FrozenTrial) -> str:
    """What the trial's plan asks for, as a hash."""
    return PruningPlan.from_json(read(trial).plan).digest()
