"""Which of a study's trials is picked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import NoModelError, unknown
from ..objectives.constraint import Constraint
from ..search.front import coordinates, knee, non_dominated
from ..search.history import Record
from .rescored import is_sound
from .run_record import RunRecord


@dataclass(frozen=True)
class Choice:
    """Of the trials that satisfy all constraints the knee of their front, or the best in one thing.

    Attributes:
        record: what was asked, with the scores of dense that the trials are compared to.
        constraints: that must hold on the validation scores.
        prefer: ``"knee"``, or an objective to be best in.
    """

    record: RunRecord
    constraints: tuple[Constraint, ...]
    prefer: str

    @classmethod
    def of(cls, record: RunRecord, where: Sequence[str], prefer: str) -> Choice:
        """The choice by these words, or by the study's own constraints where there are none.

        Raises:
            UsageError: an unknown name, or a constraint that does not parse.
        """
        constraints = tuple(Constraint.parse(t, record.names) for t in where or record.where)
        if prefer != "knee" and prefer not in record.names:
            raise unknown("objective", prefer, [*record.names, "knee"])
        return cls(record, constraints, prefer)

    def __call__(self, records: Sequence[Record]) -> Record:
        """The trial to take.

        Raises:
            NoModelError: none satisfies the constraints.
        """
        feasible = self.feasible(records)
        if not feasible:
            raise NoModelError(self.nearest_miss(records))
        return self.preferred(feasible)

    def feasible(self, records: Sequence[Record]) -> list[Record]:
        """Those that satisfy the constraints, with numbers for scores."""
        dense = self.record.dense.values
        return [
            r
            for r in records
            if self.is_sound(r) and all(c.holds(r.values, dense) for c in self.constraints)
        ]

    def is_sound(self, record: Record) -> bool:
        """See :func:`~hierprune.studies.rescored.is_sound`."""
        return is_sound(record.values, self.record.directions)

    def nearest_miss(self, records: Sequence[Record]) -> str:
        """The message for constraints that no model satisfies."""
        dense = self.record.dense.values
        lines = ["no finished trial satisfies all constraints"]
        for c in self.constraints:
            gaps = [c.violation(r.values, dense) for r in records]
            nearest = records[int(np.argmin(gaps))].values[c.objective]
            held = sum(gap <= 0 for gap in gaps)
            lines.append(f"  {c}: held by {held} of {len(records)}, nearest {nearest:.4g}")
        if lost := sum(not self.is_sound(r) for r in records):
            lines.append(f"  scores of {lost} of {len(records)} are not finite")
        return "\n".join(lines)

    def preferred(self, records: Sequence[Record]) -> Record:
        """The knee of the front of these trials, or the best in one objective.

        Of models that are equally good, as happens on few validation samples, the loss decides: it
        tells apart what a count of hits cannot.
        """
        records = sorted(records, key=lambda r: r.values["loss"])
        points = coordinates(self.record.goal().axes, [r.values for r in records])
        if self.prefer == "knee":
            front = np.flatnonzero(non_dominated(points))
            return records[int(front[knee(points[front])])]
        direction = next(o.direction for o in self.record.measured if o.name == self.prefer)
        sign = -1.0 if direction == "maximize" else 1.0
        order = points.sum(axis=1)

        def place(i: int) -> tuple[bool, float, float, float]:
            values = records[i].values
            found = values[self.prefer]
            return math.isnan(found), sign * found, values["loss"], float(order[i])

        return records[min(range(len(records)), key=place)]
