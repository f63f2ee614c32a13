"""Two models side by side: picked folders, or finished trials of runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..pruners.plan import PruningPlan
from .picked import PLAN, read_plan
from .run_record import is_run
from .study import Study


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: as it was given.
        plan: what was decided.
        values: measured on the validation split, by objective; empty where the folder was written
            by a version that did not keep them.
        interval: 95 % intervals of ``values``.
        test: measured on the test split; empty for trials.
        units: by objective, as far as they are known.
    """

    name: str
    plan: PruningPlan
    values: Mapping[str, float]
    interval: Mapping[str, tuple[float, float]]
    test: Mapping[str, float]
    units: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "name": self.name,
            "values": dict(self.values),
            "interval": {k: list(v) for k, v in self.interval.items()},
            "test": dict(self.test),
            "plan": self.plan.to_json(),
        }


@dataclass(frozen=True)
class Row:
    """One number of both; ``None`` where one side does not have it."""

    name: str
    a: float | None
    b: float | None

    @property
    def difference(self) -> float | None:
        """By how much the second is more."""
        return None if self.a is None or self.b is None else self.b - self.a


@dataclass(frozen=True)
class Comparison:
    """Two models, and whether they came from the same dense weights."""

    a: Side
    b: Side

    @property
    def same_dense(self) -> bool:
        """Whether both were pruned from the same weights."""
        return self.a.plan.dense_sha256 == self.b.plan.dense_sha256

    def scores(self) -> Iterator[Row]:
        """Validation scores, then test scores."""
        yield from rows(self.a.values, self.b.values, "")
        yield from rows(self.a.test, self.b.test, ", test")

    def densities(self) -> list[Row]:
        """Share kept of every group that either plan names."""
        return list(rows(self.a.plan.density, self.b.plan.density, ""))

    def decisions(self) -> list[tuple[str, str, str]]:
        """What was decided, by name."""
        sides = [decided(self.a.plan), decided(self.b.plan)]
        return [(name, sides[0][name], sides[1][name]) for name in sides[0]]

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "a": self.a.to_json(),
            "b": self.b.to_json(),
            "same_dense": self.same_dense,
            "difference": {
                row.name: row.difference for row in rows(self.a.values, self.b.values, "")
            },
        }


def rows(a: Mapping[str, float], b: Mapping[str, float], suffix: str) -> Iterator[Row]:
    """The numbers of both, those of the first one first."""
    for name in dict.fromkeys([*a, *b]):
        yield Row(name + suffix, a.get(name), b.get(name))


def decided(plan: PruningPlan) -> dict[str, str]:
    """A plan in words."""
    recovery = plan.recovery
    trained = {
        "learning rate": f"{recovery.lr:.3g}",
        "distillation": f"{recovery.distil:.3g}",
        "schedule": recovery.schedule,
    }
    return {
        "removed": f"{plan.ratio:.1%} of {plan.budget}",
        "granularity": plan.granularity,
        "criterion": plan.criterion,
        "allocation": plan.allocation,
        "epochs": f"{recovery.epochs:g}",
        **{name: text if recovery.epochs else "-" for name, text in trained.items()},
        "int8": plan.quantization,
    }


def compare(a: str, b: str) -> Comparison:
    """Two models by name: the folder of a picked model, or ``RUN:TRIAL``.

    Raises:
        UsageError: a name is neither, or a trial is not finished.
    """
    return Comparison(side(a), side(b))


def side(name: str) -> Side:
    """One model by its name."""
    if (Path(name) / PLAN).is_file():
        return picked_side(name)
    run, colon, number = name.rpartition(":")
    if colon and number.isdecimal() and is_run(Path(run)):
        return trial_side(name, Path(run), int(number))
    if is_run(Path(name)):
        raise UsageError(f"{name} is a run: name one of its trials, such as {name}:0")
    raise UsageError(
        f"{name!r} is neither the folder of a picked model nor a trial RUN:TRIAL, such as "
        "runs/first:12"
    )


def picked_side(name: str) -> Side:
    """The model of a picked folder."""
    plan, _ = read_plan(Path(name))
    data = json.loads((Path(name) / PLAN).read_text())
    interval = {k: (v[0], v[1]) for k, v in data.get("interval", {}).items() if None not in v}
    values, test = (known(data.get(part, {})) for part in ("values", "test"))
    return Side(name, plan, values, interval, test)


def known(scores: Mapping[str, float | None]) -> dict[str, float]:
    """Those of a file that are numbers; what was not finite is null there."""
    return {name: value for name, value in scores.items() if value is not None}


def trial_side(name: str, run: Path, number: int) -> Side:
    """A finished trial."""
    study = Study.open(run)
    record = study.choose(trial=number)
    units = {o.name: o.unit for o in study.record.measured}
    plan = PruningPlan.from_json(record.plan)
    return Side(name, plan, record.values, record.interval, {}, units)
