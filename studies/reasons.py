"""Why a model was picked: the rule, and what its neighbours on the front trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..search.history import Record
from .card import number
from .run_record import ObjectiveInfo, RunRecord


def reasons(
    record: RunRecord,
    front: Sequence[Record],
    chosen: Record,
    where: Sequence[str] = (),
    prefer: str = "knee",
    *,
    asked: bool = False,
) -> list[str]:
    """Sentences about a choice.

    Args:
        record: of the study.
        front: its non-dominated trials.
        chosen: what was picked.
        where: the constraints that were asked for, all satisfied.
        prefer: what decided among those that satisfy them.
        asked: whether the trial was named, so that nothing decided.
    """
    found = [rule(chosen, where, prefer, asked=asked)]
    if all(r.number != chosen.number for r in front):
        found.append(off_the_front(record, front, chosen))
    return [*found, *(neighbour(record, front, chosen, info) for info in record.objectives)]


def rule(chosen: Record, where: Sequence[str], prefer: str, *, asked: bool) -> str:
    """What decided."""
    if asked:
        return f"Trial {chosen.number} was asked for."
    among = f" among the trials with {' and '.join(where)}" if where else " among all trials"
    if prefer == "knee":
        what = "is the knee of the front: the point farthest from the plane through its extremes,"
        return f"Trial {chosen.number} {what}{among}."
    return f"Trial {chosen.number} is the best in {prefer}{among}."


def off_the_front(record: RunRecord, front: Sequence[Record], chosen: Record) -> str:
    """Which trials of the front are better in everything."""
    better = [
        str(r.number)
        for r in front
        if all(gain(info, chosen.values, r.values) >= 0 for info in record.objectives)
    ]
    if not better:
        return "It is not on the front: another trial has the same values."
    return f"It is not on the front: no objective is worse in trial {', '.join(better)}."


def neighbour(
    record: RunRecord, front: Sequence[Record], chosen: Record, info: ObjectiveInfo
) -> str:
    """The next better trial in one objective, and what it gives and takes."""
    better = [r for r in front if gain(info, chosen.values, r.values) > 0]
    if not better:
        return f"Nothing on the front has better {info.name}."
    near = min(better, key=lambda r: gain(info, chosen.values, r.values))
    others = [o for o in record.objectives if o is not info]
    changes = ", ".join(change(o, chosen, near) for o in others)
    first = f"The next better {info.name} is trial {near.number}: {change(info, chosen, near)}"
    return first + (f"; {changes}." if changes else ".")


def gain(info: ObjectiveInfo, before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """By how much the second is better."""
    difference = after[info.name] - before[info.name]
    return difference if info.direction == "maximize" else -difference


def change(info: ObjectiveInfo, before: Record, after: Record) -> str:
    """One objective of both, relative where it has a unit, and whether that may be noise."""
    a, b = before.values[info.name], after.values[info.name]
    if a == b:
        return f"the same {info.name}"
    text = f"{info.name} {number(a)} -> {number(b)} {info.unit}".rstrip()
    low, high = before.interval.get(info.name, (a, a))
    remarks = [f"{b / a - 1:+.1%}"] if info.unit and a else []
    remarks += ["within its 95 % interval"] if low <= b <= high else []
    return f"{text} ({', '.join(remarks)})" if remarks else text
