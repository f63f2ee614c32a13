"""What runs recipes, and how a recipe travels: as the name of a factory and its arguments."""

from __future__ import annotations

import importlib
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..errors import UsageError
from .trial import Ask, Outcome, Tell, Trial

Recipe = Callable[[Trial], Outcome]
"""The journey of one trial, built once per worker and called for every trial."""


@dataclass(frozen=True)
class RecipeSpec:
    """A recipe by name, to be built where it runs.

    Attributes:
        factory: ``"package.module:callable"``.
        arguments: of the factory, plain JSON data.
    """

    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> Recipe:
        """Call the factory; whatever it raises comes through.

        Raises:
            UsageError: ``factory`` is not of the form ``module:callable``.
        """
        module, colon, name = self.factory.partition(":")
        if not (module and colon and name):
            raise UsageError(f"a factory must read 'package.module:callable', got {self.factory!r}")
        recipe: Recipe = getattr(importlib.import_module(module), name)(**self.arguments)
        return recipe

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {"factory": self.factory, "arguments": dict(self.arguments)}


class Executor(Protocol):
    """Runs trials until there is nothing left to do.

    Contract: ``ask`` and ``tell`` are called in the caller's thread, one at a time. None from
    ``ask`` means nothing to start now: while trials run it is asked again after the next outcome,
    since a rung may have opened; when nothing runs, ``run`` returns. Once ``stop`` is set no trial
    is started; the running ones finish and are told, or are given up where the executor was made
    to ``requeue``. Every other trial asked for is told, as a failure if need be, unless ``run``
    raises. No process outlives ``run``.
    """

    def run(self, recipe: RecipeSpec, ask: Ask, tell: Tell, stop: threading.Event) -> None:
        """Run trials to the end.

        Raises:
            RuntimeError: the recipe cannot be built; with the traceback of its factory.
        """


def evaluate(recipe: Recipe, trial: Trial) -> Outcome:
    """Run one trial; an exception becomes an outcome.

    The result is plain data for certain: numbers are turned into floats here, so that what a
    worker cannot send is a failure of this trial and not of the worker.
    """
    try:
        outcome = recipe(trial)
        return replace(
            outcome,
            number=trial.number,
            attempt=trial.attempt,
            values={str(k): float(v) for k, v in outcome.values.items()},
            interval={k: (float(v[0]), float(v[1])) for k, v in outcome.interval.items()},
            seconds={str(k): float(v) for k, v in outcome.seconds.items()},
        )
    except (Exception, SystemExit):
        return failure(trial, "exception", traceback.format_exc())


def failure(trial: Trial, kind: str, error: str) -> Outcome:
    """The outcome of a trial that gave no values."""
    return Outcome(trial.number, error=error, kind=kind, attempt=trial.attempt)


def cannot_build(recipe: RecipeSpec, cause: str) -> RuntimeError:
    """The error for a recipe that no worker can build."""
    return RuntimeError(f"the recipe {recipe.factory!r} cannot be built in a worker:\n{cause}")
