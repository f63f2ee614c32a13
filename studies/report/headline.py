"""What came of a search, in a few plain sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...search.history import Record
from ..run_record import DenseInfo, ObjectiveInfo
from .view import View
from .words import SPACE, beside_dense, listed, number, with_unit


@dataclass(frozen=True)
class Finding:
    """One sentence about one trial.

    Attributes:
        title: what the trial is the best at.
        text: its numbers beside the dense model's.
        trial: its number; ``None`` where there is no such trial.
    """

    title: str
    text: str
    trial: int | None = None


def findings(view: View) -> list[Finding]:
    """What ``pick`` takes, then the best in every cost among those as good as dense."""
    if not view.records:
        return []
    return [pick_finding(view), *safe_findings(view)]


def pick_finding(view: View) -> Finding:
    """The trial that ``pick`` takes when it is told nothing."""
    where = listed(list(view.record.where))
    if view.pick is None:
        return Finding("No model to pick", f"No finished trial satisfies {where}.")
    record = view.records[view.pick]
    rule = f"the knee of those with {where}" if where else "the knee of the front"
    return Finding("What pick takes", f"{sentence(view, record)} It is {rule}.", record.number)


def safe_findings(view: View) -> Iterator[Finding]:
    """The best in every cost among the models that are as good as dense, as far as one can see."""
    dense = view.record.dense
    quality = next((o for o in view.objectives if o.name in dense.guess), None)
    costs = [o for o in view.objectives if o.name not in dense.guess]
    if quality is None or not costs:
        return
    bar, why = as_good(quality, dense)
    rows = np.flatnonzero(reaches(view, quality, bar))
    if len(rows) == 0:
        text = f"No finished trial has {quality.name} {with_unit(bar, quality)} or better: {why}."
        yield Finding("As good as dense", text)
        return
    for cost in costs:
        sign = -1.0 if cost.direction == "maximize" else 1.0
        record = view.records[int(rows[np.argmin(sign * view.values(cost.name)[rows])])]
        text = f"{sentence(view, record)} The bar is {number(bar)}, {why}."
        yield Finding(f"Best {cost.name}, {quality.name} as good as dense", text, record.number)


def as_good(quality: ObjectiveInfo, dense: DenseInfo) -> tuple[float, str]:
    """The value from which on a model cannot be told from dense, and why."""
    span = dense.interval.get(quality.name)
    if span is None:
        return dense.values[quality.name], "the dense model's value"
    end = span[0] if quality.direction == "maximize" else span[1]
    return end, f"the worse end of the dense model's 95{SPACE}% interval"


def reaches(view: View, quality: ObjectiveInfo, bar: float) -> np.ndarray:
    """Which trials that stand for their plan are at least that good, shape (records,)."""
    values = view.values(quality.name)
    found: np.ndarray = values >= bar if quality.direction == "maximize" else values <= bar
    return found & view.judged


def sentence(view: View, record: Record) -> str:
    """A trial's objectives beside the dense model's."""
    parts = [
        beside_dense(record.values[o.name], o, view.record.dense) + doubt(view, record, o)
        for o in view.objectives
    ]
    return f"Trial {record.number}: {listed(parts)}."


def doubt(view: View, record: Record, info: ObjectiveInfo) -> str:
    """A warning where a cost that is measured with noise cannot be told from dense."""
    span = record.interval.get(info.name)
    dense = view.record.dense
    if span is None or info.name in dense.guess:
        return ""
    low, high = span
    return ", within noise of dense" if low <= dense.values[info.name] <= high else ""
