"""How promoted plans are trained: the recipe that is next, by what earlier ones gave back.

Only trials above rung 0 train, one plan in ten, so a recipe is drawn when a plan goes up and the
plans of rung 0 are chosen without it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from ..errors import UsageError
from ..pruners.cost import Floats
from ..pruners.plan import Recovery
from ..pruners.schedules.curves import schedule
from .seeds import mixed
from .span import Numbers, Span

PREFIX = "recipe."
"""How the names of its parameters begin."""
RANDOM = 4
"""Recipes before a sampler learns from them, the usual one among them."""
FLOOR = 0.01
"""Loss of quality, as a share of that of guessing, below which less is no better."""
SLOPE = 0.5
"""Logarithm of what training leaves of a loss, by that of the loss; while little is known."""
FAILED = 1.0
"""By how much a training that failed is worse than the worst of the others, in logarithms."""


@dataclass(frozen=True)
class Recipes:
    """What may vary in the training of promoted plans; the rest is as in the study's recovery.

    Attributes:
        lr: highest learning rates; a span is searched on a logarithmic scale.
        distil: weights of the dense model's outputs in the loss.
        schedule: when units go.
    """

    lr: Numbers = ()
    distil: Numbers = ()
    schedule: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name in self.schedule:
            schedule(name)
        for lr in ends(self.lr):
            Recovery(lr=lr)
        for weight in ends(self.distil):
            Recovery(distil=weight)

    @property
    def names(self) -> list[str]:
        """What varies."""
        return [name for name in ("lr", "distil", "schedule") if getattr(self, name)]

    def suggest(self, trial: optuna.Trial | optuna.trial.FixedTrial) -> None:
        """Draw one recipe."""
        for name in self.names:
            choices = getattr(self, name)
            if isinstance(choices, Span):
                trial.suggest_float(PREFIX + name, choices.low, choices.high, log=name == "lr")
            else:
                trial.suggest_categorical(PREFIX + name, choices)

    def usual(self) -> dict[str, Any]:
        """The first recipe to try."""
        return {PREFIX + name: middle(name, getattr(self, name)) for name in self.names}

    def applied(self, recovery: Recovery, params: Mapping[str, Any]) -> Recovery:
        """A recovery with a recipe."""
        return replace(recovery, **{name: params[PREFIX + name] for name in self.names})

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipes:
        """The recipes that :meth:`to_json` wrote."""
        fields: dict[str, Any] = {
            name: Span(**value) if isinstance(value, Mapping) else tuple(value)
            for name, value in data.items()
        }
        return cls(**fields)


def ends(choices: Numbers) -> tuple[float, ...]:
    """The numbers between which all others lie."""
    return (choices.low, choices.high) if isinstance(choices, Span) else choices


def middle(name: str, choices: Any) -> Any:
    """What stands for all choices: the middle of a span, of rates in logarithms, else the first.

    Raises:
        UsageError: rates from 0 or below on.
    """
    if not isinstance(choices, Span):
        return choices[0]
    if name != "lr":
        return (choices.low + choices.high) / 2
    if choices.low <= 0:
        raise UsageError(f"learning rates must be above 0, got {choices}")
    return math.sqrt(choices.low * choices.high)


@dataclass(frozen=True)
class Tried:
    """A recipe that was given to a plan.

    Attributes:
        params: of the recipe.
        before: loss of quality of the untrained plan, 0 = dense, 1 = guessing.
        after: of the trained one; ``None`` while it runs, NaN where it failed.
    """

    params: Mapping[str, Any]
    before: float
    after: float | None


def recipe_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Those parameters of a trial that are of its recipe."""
    return {name: value for name, value in params.items() if name.startswith(PREFIX)}


def next_recipe(
    recipes: Recipes, tried: Sequence[Tried], seed: int
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """The parameters of the next recipe and where they are from: a function of the arguments.

    The usual recipe first, then some at random, then by a tree-structured Parzen estimator over
    :func:`merits`.

    Args:
        recipes: what may vary.
        tried: every recipe begun so far, in order.
        seed: of the study.
    """
    study = optuna.create_study(sampler=sampler(mixed(seed, len(tried))))
    if not tried:
        study.enqueue_trial(recipes.usual())
    study.add_trials([as_trial(recipes, t, m) for t, m in zip(tried, merits(tried), strict=True)])
    trial = study.ask()
    recipes.suggest(trial)
    return dict(trial.params), dict(trial.distributions)


def sampler(seed: int) -> optuna.samplers.BaseSampler:
    """Draws recipes."""
    with warnings.catch_warnings():  # its options are previews, which is ours to know
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=RANDOM, multivariate=True, constant_liar=True
        )


def as_trial(recipes: Recipes, tried: Tried, merit: float | None) -> FrozenTrial:
    """A recipe as the sampler reads it."""
    point = optuna.trial.FixedTrial(dict(tried.params))
    recipes.suggest(point)
    state = TrialState.RUNNING if merit is None else TrialState.COMPLETE
    return create_trial(
        state=state, value=merit, params=point.params, distributions=point.distributions
    )


def merits(tried: Sequence[Tried]) -> list[float | None]:
    """How much of its loss each left to its plan against what is common, in logarithms.

    Plans differ in what training can mend. So what is left is compared with a line over what was
    lost, which is fitted to all and leans on the slope ``SLOPE`` while they are few. Less is
    better.
    """
    pairs = [(t, t.before, t.after) for t in tried if t.after is not None]
    known = [pair for pair in pairs if all(map(math.isfinite, pair[1:]))]
    before = np.log(np.maximum(FLOOR, [b for _, b, _ in known]))
    after = np.log(np.maximum(FLOOR, [a for _, _, a in known]))
    gaps = dict(zip((id(t) for t, _, _ in known), residuals(before, after).tolist(), strict=True))
    worst = max(gaps.values(), default=0.0) + FAILED
    return [None if t.after is None else gaps.get(id(t), worst) for t in tried]


def residuals(x: Floats, y: Floats) -> Floats:
    """What a line, of slope ``SLOPE`` a priori, leaves of ``y``; both of shape (n,)."""
    if len(x) == 0:
        return x
    across, up = x - x.mean(), y - y.mean()
    slope = (across @ up + SLOPE) / (across @ across + 1.0)
    left: Floats = up - slope * across
    return left
