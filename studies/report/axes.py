"""Which part of an axis is worth seeing first, and on which scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..run_record import ObjectiveInfo
from .view import View
from .words import title

LOST = 0.25
"""Models that lost more than this share of dense over guessing are below the first view."""
WIDE = 8.0
"""A cost that spans more than this factor is drawn on a logarithmic scale."""
MARGIN = 0.06


@dataclass(frozen=True)
class Scale:
    """One objective as an axis of a figure.

    Attributes:
        info: the objective.
        low: lower end of the first view.
        high: upper end of the first view.
        log: whether the scale is logarithmic.
    """

    info: ObjectiveInfo
    low: float
    high: float
    log: bool

    @classmethod
    def of(cls, view: View, info: ObjectiveInfo) -> Scale:
        """Fit the axis to the front, the dense model and the constraints."""
        rows = worth_seeing(view)
        dense = view.record.dense
        seen = [*view.values(info.name)[rows], dense.values[info.name], *bounds(view, info.name)]
        finite = [v for v in seen if np.isfinite(v)] or [0.0, 1.0]
        low, high = float(min(finite)), float(max(finite))
        log = info.name not in dense.guess and 0 < low * WIDE < high
        return cls(info, *padded(low, high, log=log), log)

    def layout(self) -> dict[str, Any]:
        """As Plotly takes it."""
        ends = np.log10([self.low, self.high]) if self.log else (self.low, self.high)
        scale = (
            log_ticks(self.low, self.high) if self.log else {"type": "linear", "tickmode": "auto"}
        )
        return {
            "title": {"text": title(self.info)},
            "range": [float(e) for e in ends],
            "zeroline": False,
            **scale,
        }


def worth_seeing(view: View) -> list[int]:
    """Indices of the front without its collapsed end, or all of it where little would be left."""
    goal = view.record.goal()
    column = next((i for i, a in enumerate(goal.axes) if a.name in goal.qualities), None)
    if column is None:
        return list(view.front)
    good = [i for i in view.front if view.points[i, column] <= LOST]
    return good if len(good) >= 3 else list(view.front)


def bounds(view: View, name: str) -> list[float]:
    """Where the study's constraints on one objective stand."""
    goal = view.record.goal()
    return [c.bound(goal.dense) for c in goal.constraints if c.objective == name]


def padded(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """A range with a margin on both sides."""
    if log:
        factor = (high / low) ** MARGIN
        return low / factor, high * factor
    gap = (high - low) * MARGIN or abs(high) * MARGIN or 1.0
    return low - gap, high + gap


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """A logarithmic scale whose ticks are written out: 1, 2 and 5 of every decade."""
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [float(f"{m}e{d}") for d in decades for m in (1, 2, 5)]
    return {
        "type": "log",
        "tickmode": "array",
        "tickvals": ticks,
        "ticktext": [f"{t:,g}" if t < 1e6 else f"{t:g}" for t in ticks],
    }
