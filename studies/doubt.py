"""Which models of a front are not shown to be better than a cheaper one of it.

Non-dominated is what was measured, and a measured quality has an interval: among many models some
are on the front by luck. They stay there, and the cheaper model that they cannot be told from is
named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..search.front import Axis
from ..search.goal import Goal
from ..search.history import Record


def doubtful(goal: Goal, front: Sequence[Record]) -> Mapping[int, int]:
    """The cheapest other trial that each doubtful one cannot be told from, by number.

    A cheaper trial costs no more in anything and less in something, and every quality of it lies
    within the 95 % interval of the dearer one's, or is better.
    """
    costs = [a for a in goal.axes if a.name not in goal.qualities]
    qualities = [a for a in goal.axes if a.name in goal.qualities]
    found = {}
    for record in front:
        others = [
            other
            for other in front
            if cheaper(costs, other, record) and as_good(qualities, other, record)
        ]
        if others:
            found[record.number] = min(others, key=lambda r: price(costs, r)).number
    return found


def cheaper(costs: Sequence[Axis], other: Record, record: Record) -> bool:
    """Whether the other costs no more in anything and less in something."""
    gaps = [axis(other.values[axis.name]) - axis(record.values[axis.name]) for axis in costs]
    return bool(gaps) and max(gaps) <= 0 and min(gaps) < 0


def as_good(qualities: Sequence[Axis], other: Record, record: Record) -> bool:
    """Whether the other is within the record's interval of every quality, or better."""
    return all(axis(other.values[axis.name]) <= worst(axis, record) for axis in qualities)


def worst(axis: Axis, record: Record) -> float:
    """The worse end of a quality's interval as a coordinate; without one, its value."""
    value = record.values[axis.name]
    return max(map(axis, record.interval.get(axis.name, (value, value))))


def price(costs: Sequence[Axis], record: Record) -> float:
    """All costs together, relative to dense."""
    return sum(axis(record.values[axis.name]) for axis in costs)
