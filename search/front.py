"""Which models are worth choosing from: non-dominated sets, hypervolume, knee, spread.

All functions take points to be minimised, shape (n, m); :class:`Axis` turns objectives into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from ..task import Direction

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """One objective as a coordinate to minimise: 1 at the reference, smaller is better.

    Attributes:
        name: of the objective.
        direction: of the objective.
        dense: value of the dense model.
        guess: value of guessing, for qualities; ``None`` for costs, whose reference is dense.

    Qualities are 0 for the dense model and 1 for guessing. Costs are relative to dense: v / dense
    where less is better, dense / v where more is better.

    >>> Axis("accuracy", "maximize", dense=0.9, guess=0.1)(0.5)
    0.5
    >>> Axis("compression", "maximize", dense=1.0)(4.0)
    0.25
    """

    name: str
    direction: Direction
    dense: float
    guess: float | None = None

    def __call__(self, value: float) -> float:
        """The coordinate of a value."""
        if self.guess is not None and self.guess != self.dense:
            return (self.dense - value) / (self.dense - self.guess)
        if self.direction == "minimize":
            return value / self.dense if self.dense else value
        return self.dense / value if value > 0 else float("inf")


def coordinates(axes: Sequence[Axis], rows: Sequence[Mapping[str, float]]) -> Floats:
    """Points to minimise, shape (rows, axes)."""
    points = np.array([[axis(row[axis.name]) for axis in axes] for row in rows], np.float64)
    return points.reshape(len(rows), len(axes))


def non_dominated(points: Floats) -> NDArray[np.bool_]:
    """Which points no other point beats or equals in all coordinates; of equals the first; (n,).

    Points that are not finite are never in the front.
    """
    finite = np.isfinite(points).all(axis=1)
    result = np.zeros(len(points), np.bool_)
    if finite.any():
        result[finite] = moocore.is_nondominated(points[finite], keep_weakly=False)
    return result


def rank(points: Floats) -> NDArray[np.int64]:
    """Non-dominated rank, 0 for the front, shape (n,); points that are not finite come last."""
    finite = np.isfinite(points).all(axis=1)
    ranks = np.full(len(points), len(points), np.int64)
    if finite.any():
        ranks[finite] = moocore.pareto_rank(points[finite])
    return ranks


def hypervolume(points: Floats) -> float:
    """Volume between the points and the reference (1, ..., 1); dense quality at no cost is 1."""
    inside = points[np.isfinite(points).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    return float(moocore.hypervolume(inside, ref=np.ones(points.shape[1])))


def knee(points: Floats) -> int:
    """Index of the point of a front that lies farthest below the plane through its extremes.

    Coordinates are scaled to [0, 1] over the front, so the plane is where they sum to one. Das
    1999, "On characterizing the knee of the Pareto curve", for two objectives.
    """
    span = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    return int(np.argmin(scaled.sum(axis=1)))


def spread_order(points: Floats) -> list[int]:
    """Indices so that every prefix covers the points well: extremes first, then the farthest.

    Farthest-point order (Gonzalez 1985) in coordinates scaled to [0, 1]. Points that are not finite
    come last, as they are.
    """
    finite = np.isfinite(points).all(axis=1)
    order = np.flatnonzero(finite)[farthest_first(points[finite])]
    return [*order.tolist(), *np.flatnonzero(~finite).tolist()]


def farthest_first(points: Floats) -> list[int]:
    """:func:`spread_order` of finite points."""
    if len(points) == 0:
        return []
    span = np.ptp(points, axis=0)
    scaled = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    order = [int(np.argmin(scaled.sum(axis=1)))]
    gaps = np.linalg.norm(scaled - scaled[order[0]], axis=1)
    while len(order) < len(points):
        gaps[order] = -1.0
        order.append(int(np.argmax(gaps)))
        gaps = np.minimum(gaps, np.linalg.norm(scaled - scaled[order[-1]], axis=1))
    return order
