"""What to try next: warm starts, then a sampler, then the best plans up the rungs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ..errors import UsageError, unknown
from .choosers import Chooser, Grid, LevelSwitches, ModelBased, Plans, Warm
from .goal import Goal
from .history import Reader, Record
from .mirror import Mirror
from .promotion import Promoter
from .proposal import Proposal
from .recipes import Recipes
from .rungs import Rungs
from .seeds import mixed
from .space import SearchSpace

Sampler = optuna.samplers.BaseSampler
FINITE = (optuna.samplers.GridSampler, optuna.samplers.BruteForceSampler)
"""Samplers that need a finite space."""
DRAWS = 20
"""Draws until one is taken that was had before."""


def tpe(seed: int) -> Sampler:
    """Tree-structured Parzen estimator over whole points, conditional parameters included.

    Bergstra et al. 2011; multi-objective: Ozaki et al. 2022.
    """
    with warnings.catch_warnings():  # its options are previews, which is ours to know
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=8, seed=seed
        )


class ManyGenerations(optuna.samplers.BaseSampler):
    """Lets evolution be taken up again after any number of generations.

    Optuna finds the parents of a generation by recursion through all earlier ones, which exceeds
    Python's limit after some 400 where none are cached yet; here it goes by ``STRIDE`` at a time.
    """

    STRIDE = 50

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        """The parents of a generation; none for the first."""
        if generation > self.STRIDE:
            super().get_parent_population(study, generation - self.STRIDE)  # type: ignore[misc]
        return super().get_parent_population(study, generation)  # type: ignore[misc,no-any-return]


class Evolution2(ManyGenerations, optuna.samplers.NSGAIISampler):
    """NSGA-II, likewise."""


def nsga2(seed: int) -> Sampler:
    """Elitist evolution by non-dominated rank and crowding, Deb et al. 2002."""
    return Evolution2(population_size=20, seed=seed)


class Evolution3(ManyGenerations, optuna.samplers.NSGAIIISampler):
    """NSGA-III, likewise."""


def nsga3(seed: int) -> Sampler:
    """Evolution spread along reference directions, Deb and Jain 2014; for many objectives."""
    with warnings.catch_warnings():  # a preview, which is ours to know
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return Evolution3(population_size=20, seed=seed)


def random(seed: int) -> Sampler:
    """Independent draws, the control that every strategy must beat."""
    return optuna.samplers.RandomSampler(seed=seed)


@dataclass(frozen=True)
class Strategy:
    """How plans are chosen.

    Attributes:
        chooser: made once per study, of its space, its goal and its number of plans.
        sampler: draws what the chooser leaves to it; made anew for every proposal, from a seed.
    """

    chooser: Callable[[SearchSpace, Goal, int], Chooser] = Warm
    sampler: Callable[[int], Sampler] = random


STRATEGIES: Mapping[str, Strategy] = {
    "default": Strategy(ModelBased),
    "gp": Strategy(partial(ModelBased, sweeps=False)),
    "evolution": Strategy(LevelSwitches),
    "tpe": Strategy(sampler=tpe),
    "nsga2": Strategy(sampler=nsga2),
    "nsga3": Strategy(sampler=nsga3),
    "random": Strategy(sampler=random),
    "grid": Strategy(Grid),
}
DEFAULT_STRATEGY = "default"


OBJECT = "optuna:"
"""How the name of a strategy begins that is a sampler object of the caller's."""


def strategy(name: str, sampler: Sampler | None = None) -> Strategy:
    """The strategy of that name.

    Args:
        name: one of ``STRATEGIES``, or what :func:`name_of` gave for a sampler object.
        sampler: that object; it draws after the sweeps of the base allocations.

    Raises:
        UsageError: there is none, and the nearest is offered; or the object is missing, another one
            than the study's, or of a kind that draws from finite spaces only.
    """
    if name.startswith(OBJECT):
        return drawing(name, sampler)
    if name not in STRATEGIES:
        raise unknown("strategy", name, STRATEGIES)
    if sampler is not None:
        raise UsageError(f"the strategy of the study is {name!r}; it takes no sampler object")
    return STRATEGIES[name]


def drawing(name: str, sampler: Sampler | None) -> Strategy:
    """The strategy that draws by a caller's sampler object."""
    if sampler is None:
        raise UsageError(
            f"the strategy {name!r} is a sampler object of Optuna: give it from Python, as "
            f"strategy=... of hierprune.launch, and again of hierprune.resume"
        )
    if name_of(sampler) != name:
        raise UsageError(f"the strategy of the study is {name!r}, not {name_of(sampler)!r}")
    if isinstance(sampler, FINITE):
        raise UsageError(
            f"{type(sampler).__name__} needs a finite space, and densities are continuous; the "
            f"strategy 'grid' sweeps them"
        )
    return Strategy(sampler=lambda _: sampler)


def name_of(sampler: Sampler) -> str:
    """What a study calls a sampler object that it was given."""
    return OBJECT + type(sampler).__name__


@dataclass
class Proposer:
    """Proposes trials from the history alone: the same history and seed give the same proposal.

    Two things depend on when this object first saw a trial: beyond ``mirror.WINDOW`` trials, which
    of the older ones the sampler still sees; and in ``nsga2``, whether a trial that finished late
    is among the parents of a generation that had begun.

    Attributes:
        space: parameters and their meaning.
        goal: objectives, constraints and the dense model's values.
        rungs: the ladder.
        strategy: how plans are chosen.
        seed: of the study.
        recipes: what may vary in how promoted plans are trained.
    """

    space: SearchSpace
    goal: Goal
    rungs: Rungs
    strategy: Strategy
    seed: int = 0
    recipes: Recipes = field(default_factory=Recipes)
    _within: SearchSpace = field(init=False)  # as far as the goal leaves the space
    _mirror: Mirror = field(init=False)
    _read: Reader = field(init=False)
    _ended: Sorted = field(init=False)
    _choose: Chooser = field(init=False)
    _promote: Promoter = field(init=False)

    def __post_init__(self) -> None:
        """Start with an empty mirror."""
        self._within = self.space.within(*self.goal.bounds(self.space.options.budget))
        self._mirror = Mirror(self.goal)
        sought = self.goal.sought
        self._choose = self.strategy.chooser(self.space, sought, self.rungs.n_trials)
        self._read, self._ended = Reader(), Sorted()
        self._promote = Promoter(sought, self.rungs, self.recipes, self.seed)

    def __call__(self, trials: Sequence[FrozenTrial], fresh: bool) -> Proposal | None:
        """A new plan while the budget lasts, then promotions; None when nothing can start now."""
        return self.new_plan(trials) if fresh else self._promote(trials)

    def new_plan(self, trials: Sequence[FrozenTrial]) -> Proposal:
        """What the chooser wants, or what the sampler suggests."""
        plans, index = self.plans(trials)
        fixed = self._choose(plans, index, self.seed)
        if fixed is not None:
            return self.chosen(fixed)
        self._mirror.sync(trials)
        drawn = self.drawn(self.strategy.sampler(mixed(self.seed, index)), trials)
        plan = self.space.plan(drawn.params)
        return Proposal(drawn.params, drawn.distributions, plan, sampler=drawn.system_attrs)

    def drawn(self, sampler: Sampler, trials: Sequence[FrozenTrial]) -> FrozenTrial:
        """A point by the sampler, a new one if it can: a seeded object begins anew at a resume."""
        for _ in range(DRAWS):
            found = self._mirror.propose(self._within, sampler)
            if all(found.params != trial.params for trial in trials):
                break
        return found

    def chosen(self, params: Mapping[str, Any]) -> Proposal:
        """The proposal of a point of the space; parameters that it does not have are left out."""
        point = optuna.trial.FixedTrial(dict(params))
        self._within.suggest(point)
        return Proposal(point.params, point.distributions, self.space.plan(point.params))

    def plans(self, trials: Sequence[FrozenTrial]) -> tuple[Plans, int]:
        """The plans so far, and how many were begun, repeats of lost trials not counted.

        Trials before the first that still runs are looked at once.
        """
        ended = self._ended.trials
        while ended < len(trials) and trials[ended].state.is_finished():
            ended += 1
        self._ended.take(trials[self._ended.trials : ended], self._read)
        found = self._ended.copy()
        found.take(trials[ended:], self._read)
        return Plans(found.done, found.running, found.failed), found.begun


@dataclass
class Sorted:
    """Plans of rung 0 by what became of them, and how many were begun; of so many trials."""

    done: list[Record] = field(default_factory=list)
    running: list[Record] = field(default_factory=list)
    failed: list[Record] = field(default_factory=list)
    begun: int = 0
    trials: int = 0

    def copy(self) -> Sorted:
        """One that can be added to."""
        return Sorted([*self.done], [*self.running], [*self.failed], self.begun, self.trials)

    def take(self, trials: Sequence[FrozenTrial], reader: Reader) -> None:
        """Add the next trials."""
        self.trials += len(trials)
        for trial in trials:
            record = reader(trial)
            if record.rung > 0:
                continue
            self.begun += record.retry_of is None
            if not record.plan:
                continue
            if trial.state == TrialState.COMPLETE:
                self.done.append(record)
            else:
                (self.failed if trial.state.is_finished() else self.running).append(record)
