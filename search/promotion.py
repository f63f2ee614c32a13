"""The best plans up the rungs: which trial of a higher rung is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from optuna.trial import FrozenTrial, TrialState

from ..pruners.plan import PruningPlan
from .goal import Goal
from .history import Reader, Record, read
from .proposal import Proposal
from .rungs import Agreements, Finished, Rungs, promotable


@dataclass
class Promoter:
    """Proposes promotions from the record alone; who only asks learns whether any is due.

    Attributes:
        goal: objectives, constraints and the dense model's values.
        rungs: the ladder.
    """

    goal: Goal
    rungs: Rungs
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
            chosen = self.deserving(below, started)
            if chosen is not None:
                return self.promote(chosen, rung)
        return None

    def sizes(self, trials: Sequence[FrozenTrial], records: Sequence[Record]) -> tuple[int, ...]:
        """Plans by rung, by what is finished and by how well rungs predicted the next so far."""
        agreements = Agreements()
        done = [r for t, r in zip(trials, records, strict=True) if t.state == TrialState.COMPLETE]
        for record in sorted(done, key=lambda r: r.rung):
            agreements.add(record)
        plans = sum(r.rung == 0 for r in done)
        return self.rungs.sizes(plans, agreements.found())

    def deserving(
        self, below: Sequence[FrozenTrial], started: set[int | None]
    ) -> FrozenTrial | None:
        """The best complete trial that has not gone up yet; equal plans go up once."""
        by_number = {t.number: t for t in below if t.state == TrialState.COMPLETE}
        gone_up = {digest(by_number[n]) for n in by_number if n in started}
        finished = [Finished(n, self._read(t).values) for n, t in by_number.items()]
        for number in promotable(finished, self.goal):
            if number not in started and digest(by_number[number]) not in gone_up:
                return by_number[number]
        return None

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


def digest(trial: FrozenTrial) -> str:
    """What the trial's plan asks for, as a hash."""
    return PruningPlan.from_json(read(trial).plan).digest()
