"""What a study was asked to do: ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from ..errors import UsageError
from ..objectives.constraint import Constraint
from ..objectives.latency import LatencyOptions
from ..pruners.plan import Recovery
from ..search.front import Axis
from ..search.goal import Goal
from ..search.recipes import Recipes
from ..search.rungs import Rungs
from ..search.space import SpaceOptions
from ..search.stopping import Stopping, StopRules
from ..task import Direction
from ..whole import write_whole
from .database import without_password
from .source import TaskSource
from .storage import STUDY

FORMAT = 1
FILE = "run.json"
REQUEST = "request.json"
"""What was asked, until the study is prepared; see ``pending``."""


BEFORE = LatencyOptions("measured").to_json()
"""How runs without a word about it knew latency."""


@dataclass(frozen=True)
class ObjectiveInfo:
    """Name, unit and direction of one objective."""

    name: str
    unit: str
    direction: Direction


@dataclass(frozen=True)
class DenseInfo:
    """What identifies the dense model and its data, and how good it is.

    Attributes:
        sha256: of its weights.
        data_sha256: of the validation data.
        values: everything measured on it, by name.
        interval: 95 % intervals, by name.
        guess: values of guessing, by name, for the qualities; the reference of the hypervolume.
        params: number of its parameters.
        macs: multiply-accumulates of one sample's forward.
    """

    sha256: str
    data_sha256: str
    values: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]
    guess: Mapping[str, float]
    params: int
    macs: int


@dataclass(frozen=True)
class RunRecord:
    """Everything asked for, as plain data.

    Attributes:
        task: name of the task.
        data: what its data is called.
        source: how to build the task; ``None`` where it was given as a Python object.
        objectives: what is optimised, in order.
        measured: everything measured on every trial, the objectives among it.
        where: constraints, as text.
        space: what may vary.
        recovery: of rung 0.
        strategy: name of the sampler.
        n_trials: plans to finish.
        max_epochs: of fine-tuning on the highest rung.
        seed: of everything random.
        storage: Optuna URL; ``None`` for the journal in the run folder.
        dense: the dense model.
        latency: how it is known of trials, and on what runtime.
        versions: of what the study was started with, by package.
        created: when, ISO 8601, UTC.
        machine: that prepared the study, in words.
        licence: of the data, as far as it is known.
        stop: what ends it before all its plans are finished.
        held_back: whether some validation samples are kept from the trials; see ``holdback``.
        recipes: what may vary in the training of plans on higher rungs.
        promote: share of the plans that is trained; earlier versions did not say.
        study: its name in a database; earlier versions had none but the folder's.
    """

    task: str
    data: str
    source: TaskSource | None
    objectives: tuple[ObjectiveInfo, ...]
    measured: tuple[ObjectiveInfo, ...]
    where: tuple[str, ...]
    space: SpaceOptions
    recovery: Recovery
    strategy: str
    n_trials: int
    max_epochs: float
    seed: int
    storage: str | None
    dense: DenseInfo
    latency: LatencyOptions = field(default_factory=LatencyOptions)
    versions: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    machine: str = ""
    licence: str = ""
    stop: StopRules = field(default_factory=StopRules)
    held_back: bool = False
    recipes: Recipes = field(default_factory=Recipes)
    promote: float = 0.1
    study: str | None = None

    @property
    def rungs(self) -> Rungs:
        """The ladder."""
        return Rungs(self.max_epochs, self.n_trials, self.promote)

    @property
    def directions(self) -> dict[str, Direction]:
        """Direction by objective, in order."""
        return {o.name: o.direction for o in self.objectives}

    @property
    def names(self) -> list[str]:
        """Names of everything measured."""
        return [o.name for o in self.measured]

    def goal(self) -> Goal:
        """Objectives, constraints and dense values for the strategy."""
        dense = self.dense
        axes = tuple(
            Axis(o.name, o.direction, dense.values[o.name], dense.guess.get(o.name))
            for o in self.objectives
        )
        constraints = tuple(Constraint.parse(text) for text in self.where)
        return Goal(axes, constraints, dense.values, dense.guess)

    def stopping(self) -> Stopping:
        """What decides, trial by trial, whether the study ends early."""
        return Stopping(self.stop, self.goal())

    def name_at(self, run: Path) -> str:
        """The name in the storage: one study per journal, its own in a shared database.

        Without one it is that of the folder, and the time.
        """
        if self.storage is None:
            return STUDY
        return self.study or f"{run.absolute().name}-{self.created}"

    def check_known(self, storage: BaseStorage, run: Path) -> None:
        """Raise :class:`UsageError` where the study was in a database, and is not any more."""
        if self.storage is None:
            return
        name = self.name_at(run)
        try:
            storage.get_study_id_from_name(name)
        except KeyError:
            remedy = (
                f"give the folder {run} back the name that it had when it was launched"
                if self.study is None
                else "bring back the database that it was in, or launch a new study"
            )
            raise UsageError(
                f"there is no study {name!r} in {without_password(self.storage)}; {remedy}"
            ) from None

    def save(self, run: Path) -> None:
        """Write ``run.json``; readers see the old file or the whole new one."""
        data = {"format": FORMAT} | asdict(self)
        write_whole(run / FILE, json.dumps(data, indent=1) + "\n")

    @classmethod
    def load(cls, run: Path) -> RunRecord:
        """Read ``run.json``.

        Raises:
            UsageError: the folder holds no study, or one of another format.
        """
        path = run / FILE
        if not path.is_file():
            raise UsageError(missing(run))
        try:
            data = json.loads(path.read_text())
            if data.pop("format") != FORMAT:
                raise UsageError(f"{path} is not of format {FORMAT}; it needs another version")
            return cls.from_json(data)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{path} is damaged: {type(error).__name__}: {error}") from error

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRecord:
        """The record as :meth:`save` wrote it, without the format."""
        fields = dict(data)
        source, dense = data["source"], dict(data["dense"])
        dense["interval"] = {k: (v[0], v[1]) for k, v in dense["interval"].items()}
        fields["source"] = None if source is None else TaskSource.from_json(source)
        fields["objectives"] = tuple(ObjectiveInfo(**o) for o in data["objectives"])
        fields["measured"] = tuple(ObjectiveInfo(**o) for o in data["measured"])
        fields["where"] = tuple(data["where"])
        fields["space"] = SpaceOptions.from_json(data["space"])
        fields["recovery"] = Recovery.from_json(data["recovery"])
        fields["dense"] = DenseInfo(**dense)
        fields["latency"] = LatencyOptions.from_json(data.get("latency", BEFORE))
        fields["stop"] = StopRules(**data.get("stop", {}))
        fields["recipes"] = Recipes.from_json(data.get("recipes", {}))
        return cls(**fields)


def missing(run: Path) -> str:
    """The message for a folder without ``run.json``."""
    if not run.exists():
        return f"there is no folder {run}; 'hierprune launch' makes it"
    if (run / REQUEST).is_file():
        return f"the study in {run} is not prepared yet; go on with: hierprune resume {run}"
    return f"{run} holds no study: there is no {FILE} in it"


def is_run(folder: Path) -> bool:
    """Whether a folder holds a study, prepared or not."""
    return any((folder / name).exists() for name in (FILE, REQUEST))
