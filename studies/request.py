"""What a study is asked to find, and what it is run with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import UsageError, unknown
from ..objectives.constraint import Constraint
from ..objectives.latency import LatencyOptions
from ..pruners.plan import Recovery
from ..pruners.schedules.curves import schedule
from ..search.recipes import Recipes
from ..search.rungs import SHARE
from ..search.space import SpaceOptions
from ..search.stopping import StopRules
from ..search.strategy import DEFAULT_STRATEGY, OBJECT, Sampler, strategy
from .trackers.registry import check_trackers

DEFAULT_TRIALS = 60
EXECUTORS = ("local", "ray")
ON_STOP = ("finish", "requeue")


@dataclass(frozen=True)
class Request:
    """What a study is asked to find.

    Attributes:
        objectives: names, in order; ``None`` for the task's first metric, latency, compression.
        where: constraints as text; they guide the search, and the pick.
        space: what may vary.
        recovery: of every plan before any training.
        strategy: name of the sampler.
        trials: plans to finish.
        max_epochs: of fine-tuning on the highest rung; 0 trains nothing.
        seed: of everything random.
        storage: Optuna URL; ``None`` for a journal in the run folder.
        latency: how it is known of trials, and on what runtime.
        stop: what ends the study before all its plans are finished.
        recipes: what may vary in the training of plans on higher rungs.
        hold_back: whether to keep a third of the validation samples from the trials, for the front.
        promote: share of the plans that is trained, in (0, 1].
    """

    objectives: tuple[str, ...] | None = None
    where: tuple[str, ...] = ()
    space: SpaceOptions = field(default_factory=SpaceOptions)
    recovery: Recovery = field(default_factory=Recovery)
    strategy: str = DEFAULT_STRATEGY
    trials: int = DEFAULT_TRIALS
    max_epochs: float = 0.0
    seed: int = 0
    storage: str | None = None
    latency: LatencyOptions = field(default_factory=LatencyOptions)
    stop: StopRules = field(default_factory=StopRules)
    recipes: Recipes = field(default_factory=Recipes)
    hold_back: bool = True
    promote: float = SHARE

    def __post_init__(self) -> None:
        """Check what needs no task."""
        if not self.strategy.startswith(OBJECT):
            strategy(self.strategy)
        check_trials(self.trials)
        if not 0 <= self.max_epochs < math.inf:
            raise UsageError(f"max_epochs must be 0 or more, got {self.max_epochs}")
        if not 0 < self.promote <= 1:
            raise UsageError(f"promote must be in (0, 1], got {self.promote}")
        schedule(self.recovery.schedule)
        self.check_recipe()
        if self.objectives is not None and len(set(self.objectives)) < len(self.objectives):
            raise UsageError(f"objectives must differ, got {', '.join(self.objectives)}")
        for text in self.where:
            Constraint.parse(text)

    def check_recipe(self) -> None:
        """Refuse what only matters in training where nothing is trained."""
        fixed = [
            ("schedule", self.recovery.schedule != "oneshot"),
            ("promote", self.promote != SHARE),
        ]
        asked = [*self.recipes.names, *(name for name, given in fixed if given)]
        if self.max_epochs == 0 and asked:
            raise UsageError(
                f"no plan is trained, so {', '.join(asked)} has no use: add --max-epochs, say 4"
            )

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """The request that :meth:`to_json` wrote."""
        fields = dict(data)
        objectives = data["objectives"]
        fields["objectives"] = None if objectives is None else tuple(objectives)
        fields["where"] = tuple(data["where"])
        fields["space"] = SpaceOptions.from_json(data["space"])
        fields["recovery"] = Recovery.from_json(data["recovery"])
        fields["latency"] = LatencyOptions.from_json(data["latency"])
        fields["stop"] = StopRules(**data.get("stop", {}))
        fields["recipes"] = Recipes.from_json(data.get("recipes", {}))
        return cls(**fields)


@dataclass(frozen=True)
class Means:
    """What a study is run with; may differ from one resume to the next.

    Attributes:
        executor: ``"local"`` or ``"ray"``.
        workers: processes or Ray actors; ``None``: one per core, at most four.
        address: of a Ray cluster; ``None`` starts one on this machine.
        resources: of the Ray cluster that one trial takes, by name: ``cpu``, ``gpu`` (fractions
            too), or the cluster's own; ``None`` for one ``cpu``.
        timeout: seconds after which no trial is started; ``None`` for no limit.
        trial_timeout: seconds after which one trial counts as hung.
        track: names of trackers; none given, those that the run used before.
        on_stop: what becomes of running trials at a signal or the timeout: ``"finish"`` waits for
            them, ``"requeue"`` ends them at once and the next launcher starts them anew.
        sampler: of Optuna, where the study's strategy is such an object.
    """

    executor: str = "local"
    workers: int | None = None
    address: str | None = None
    resources: Mapping[str, float] | None = None
    timeout: float | None = None
    trial_timeout: float | None = None
    track: tuple[str, ...] = ()
    on_stop: str = "finish"
    sampler: Sampler | None = None

    def __post_init__(self) -> None:
        """Check ranges and names."""
        if self.executor not in EXECUTORS:
            raise unknown("executor", self.executor, EXECUTORS)
        check_trackers(self.track)
        if self.on_stop not in ON_STOP:
            raise unknown("on_stop", self.on_stop, ON_STOP)
        self._check_resources()
        for name in ("timeout", "trial_timeout"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise UsageError(f"{name} must be positive, got {value} s")
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"workers must be 0 or more, got {self.workers}")
        if self.workers == 0 and self.on_stop == "requeue":
            raise UsageError("on_stop can be 'requeue' with 1 worker or more, got 0 workers")

    def _check_resources(self) -> None:
        if self.resources is None:
            return
        if self.executor != "ray":
            raise UsageError(f"resources are Ray's to give, the executor is {self.executor!r}")
        for name, amount in self.resources.items():
            if not 0 < amount < math.inf:
                raise UsageError(f"a trial's {name} must be positive, got {amount}")
            if amount > 1 and amount != int(amount):
                raise UsageError(f"a trial's {name} must be whole above 1, got {amount}")


def check_trials(trials: int) -> None:
    """Raise :class:`UsageError` unless there is at least one trial to run."""
    if trials < 1:
        raise UsageError(f"trials must be at least 1, got {trials}")


@dataclass(frozen=True)
class Changes:
    """What a resume asks for otherwise; ``None`` leaves a thing as it was.

    Attributes:
        trials: plans to finish.
        until: see :class:`StopRules`; ``""`` for never.
        patience: see :class:`StopRules`; 0 for any number.
    """

    trials: int | None = None
    until: str | None = None
    patience: int | None = None

    def __post_init__(self) -> None:
        """Check what needs no study."""
        if self.trials is not None:
            check_trials(self.trials)
        self.stop(StopRules())

    def stop(self, before: StopRules) -> StopRules:
        """The rules of a study, changed."""
        return StopRules(
            before.until if self.until is None else self.until,
            before.patience if self.patience is None else self.patience,
        )
