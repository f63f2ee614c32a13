"""The front as rows of a table."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...search.history import Record
from ..confirmation import verdict
from ..run_record import ObjectiveInfo
from ..wording import duration
from .view import View
from .words import number, title


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes:
        text: as shown.
        key: to sort by: a number, or the text.
        note: the interval, where there is one.
    """

    text: str
    key: float | str
    note: str = ""


@dataclass(frozen=True)
class Row:
    """One model.

    Attributes:
        cells: in the order of the heads.
        command: that writes the model; empty for dense.
        mark: ``"dense"``, ``"taken"`` for what was picked, ``"pick"`` for what pick takes when it
            is told nothing, else ``""``.
    """

    cells: tuple[Cell, ...]
    command: str = ""
    mark: str = ""


PLAN = {
    "granularity": "granularity",
    "allocation": "allocation",
    "criterion": "criterion",
    "int8": "quantization",
}
"""Decisions of a plan, by the head of their column."""


def heads(view: View) -> list[str]:
    """Column heads."""
    names = [title(info) for info in columns(view)]
    limits = ["constraints"] if view.record.where else []
    return ["trial", *names, *limits, "removed", *decisions(view), "epochs", "seconds"]


def decisions(view: View) -> dict[str, str]:
    """Where a plan says what the models shown differ in, by the head of its column."""
    plans = [view.records[i].plan for i in shown(view)]
    return {
        head: key
        for head, key in PLAN.items()
        if len({plan.get(key, "none") for plan in plans}) > 1
    }


def shown(view: View) -> list[int]:
    """The front from the best in the first objective down, then other picks."""
    return [*view.front, *(i for i in view.taken if i not in view.front)]


def columns(view: View) -> list[ObjectiveInfo]:
    """Everything measured, the objectives first."""
    return [*view.objectives, *(o for o in view.record.measured if o not in view.objectives)]


def rows(view: View) -> list[Row]:
    """The dense model, then what is shown beside it."""
    keys = list(decisions(view).values())
    return [dense_row(view, keys), *(front_row(view, i, keys) for i in shown(view))]


def dense_row(view: View, keys: Sequence[str]) -> Row:
    """What all others are compared with."""
    dense = view.record.dense
    infos = columns(view)
    values = [cell_of(dense.values.get(o.name), dense.interval.get(o.name)) for o in infos]
    limits = [limit_cell(broken(view, dense.values))] if view.record.where else []
    rest = [Cell("nothing", 0.0), *[Cell("", "")] * len(keys), Cell("", -1.0), Cell("", -1.0)]
    return Row((Cell("dense", -1.0), *values, *limits, *rest), mark="dense")


def front_row(view: View, index: int, keys: Sequence[str]) -> Row:
    """One model of the front."""
    record = view.records[index]
    values = [with_verdict(view, record, o.name) for o in columns(view)]
    limits = [limit_cell(broken(view, record.values))] if view.record.where else []
    name = Cell(str(record.number), float(record.number))
    return Row(
        (name, *values, *limits, *plan_cells(record, keys)),
        command(view, record.number),
        mark_of(view, index),
    )


def mark_of(view: View, index: int) -> str:
    """Whether a trial was picked, or is what ``pick`` takes by default."""
    return "taken" if index in view.taken else "pick" if index == view.pick else ""


SPEED = {"faster": "", "slower": "SLOWER than dense", "undecided": "not shown to be faster"}
"""What the interval of a latency says, where it is not what one hopes for."""


def with_verdict(view: View, record: Record, name: str) -> Cell:
    """A number with its interval; a latency says where it does not beat dense."""
    cell = cell_of(record.values.get(name), record.interval.get(name))
    if name != "latency" or not cell.text:
        return cell
    said = SPEED[verdict(record, view.record.dense.values[name])]
    return replace(cell, note=", ".join(filter(None, (cell.note, said))))


def cell_of(value: float | None, span: tuple[float, float] | None) -> Cell:
    """A measured number with its interval."""
    if value is None:
        return Cell("", "")
    return Cell(number(value), value, f"{number(span[0])} to {number(span[1])}" if span else "")


def broken(view: View, values: object) -> list[str]:
    """The constraints that a model breaks."""
    goal = view.record.goal()
    return [str(c) for c in goal.constraints if not c.holds(values, goal.dense)]  # type: ignore[arg-type]


def limit_cell(constraints: Sequence[str]) -> Cell:
    """Whether all constraints hold, or how many do not."""
    if not constraints:
        return Cell("hold", 0.0)
    return Cell("broken", float(len(constraints)), ", ".join(constraints))


def plan_cells(record: Record, keys: Sequence[str]) -> list[Cell]:
    """What was decided, and what it cost."""
    plan = record.plan
    words = [plan.get(key, "none") for key in keys]
    seconds, epochs = sum(record.seconds.values()), plan["recovery"]["epochs"]
    return [
        Cell(f"{plan['ratio']:.1%} of {plan['budget']}", plan["ratio"]),
        *(Cell(word, word) for word in words),
        Cell(f"{epochs:g}", epochs, training(plan["recovery"]) if epochs else ""),
        Cell(duration(seconds), seconds),
    ]


def training(recovery: Mapping[str, Any]) -> str:
    """How a plan was trained."""
    schedule = recovery.get("schedule", "oneshot")
    return f"{schedule}, rate {recovery['lr']:.3g}, distillation {recovery['distil']:.3g}"


def command(view: View, trial: int) -> str:
    """The command line that rebuilds and writes one model."""
    out = f"{view.name}-trial-{trial}"
    return shlex.join(["hierprune", "pick", view.run, "--trial", str(trial), "--out", out])
