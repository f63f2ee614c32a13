"""The sampler's view of a study: an in-memory copy that holds a window of its trials.

Samplers read all trials at every proposal, and Optuna writes every suggested parameter to the
storage. So they work on this copy, and the real study gets one finished proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from .front import coordinates, non_dominated
from .goal import Goal
from .history import read
from .space import SearchSpace

WINDOW = 500
"""Trials a sampler sees: with 60 groups TPE takes 46 ms for them, and 69 ms for twice as many."""


@dataclass
class Mirror:
    """A window of a study in memory.

    Attributes:
        goal: objectives and constraints.
    """

    goal: Goal
    _study: optuna.Study = field(init=False)
    _running: dict[int, int] = field(init=False)
    _finished: set[int] = field(init=False)

    def __post_init__(self) -> None:
        """Start empty."""
        self._reset()

    def _reset(self) -> None:
        self._study = optuna.create_study(
            directions=["minimize"] * len(self.goal.axes),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        self._running, self._finished = {}, set()

    def propose(self, space: SearchSpace, sampler: optuna.samplers.BaseSampler) -> FrozenTrial:
        """Draw one point of the space, with its distributions."""
        self._study.sampler = sampler
        trial = self._study.ask()
        space.suggest(trial)
        self._study.tell(trial, state=TrialState.FAIL)
        return self._study.get_trials(deepcopy=False)[trial.number]

    def sync(self, trials: Sequence[FrozenTrial]) -> None:
        """Take over what is new among ``trials``; only the window once they are too many."""
        if len(self._study.get_trials(deepcopy=False)) > 2 * WINDOW:
            self._reset()
        unseen = [t for t in trials if t.number not in self._finished]
        chosen = [t for t in unseen if t.params and read(t).rung == 0]
        if len(chosen) > WINDOW:
            self._finished.update(t.number for t in chosen if t.state.is_finished())
            chosen = self._window(chosen)
            self._finished.difference_update(t.number for t in chosen)
        for trial in chosen:
            self._take(trial)

    def _window(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """The front, thinned to half the window, and the newest others."""
        done = [t for t in trials if t.state == TrialState.COMPLETE]
        points = coordinates(self.goal.axes, [read(t).values for t in done])
        front = [t for t, keep in zip(done, non_dominated(points), strict=True) if keep]
        front = front[:: max(1, -(-len(front) // (WINDOW // 2)))]
        picked = {t.number for t in [*front, *trials[len(front) - WINDOW :]]}
        return [t for t in trials if t.number in picked]

    def _take(self, trial: FrozenTrial) -> None:
        """Copy one trial, and tell the copy once it has finished.

        So copies stand in the order of their trials, whichever finishes first: samplers read age
        and ties from it.
        """
        finished = trial.state.is_finished()
        if trial.number not in self._running and trial.state != TrialState.FAIL:
            self._running[trial.number] = self._add(trial)
        if finished and trial.number in self._running:
            self._tell(self._running.pop(trial.number), trial)
        if finished:
            self._finished.add(trial.number)

    def _add(self, trial: FrozenTrial) -> int:
        """Add a running copy."""
        self._study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=trial.params,
                distributions=trial.distributions,
                system_attrs=dict(read(trial).sampler),
            )
        )
        return len(self._study.get_trials(deepcopy=False)) - 1

    def _tell(self, copy: int, trial: FrozenTrial) -> None:
        """Objectives become coordinates to minimise; constraints are at most 0 where they hold."""
        if trial.state != TrialState.COMPLETE:
            self._study.tell(copy, state=TrialState.FAIL)
            return
        values = read(trial).values
        shown = self._study.get_trials(deepcopy=False)[copy]
        live = optuna.trial.Trial(self._study, shown._trial_id)
        for constraint in self.goal.constraints:
            live.set_constraint(str(constraint), constraint.violation(values, self.goal.dense))
        self._study.tell(copy, [axis(values[axis.name]) for axis in self.goal.axes])
