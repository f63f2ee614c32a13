"""How a global density is split over groups: paths from dense to empty, fitted to exact budgets.

An allocation is a *path*: a position between 0 (nothing kept) and 1 (dense) gives a density for
every group, and no density falls as the position rises. ``fit`` finds the position whose cost
meets a budget; local offsets bend the path, the budget stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..errors import UsageError, unknown
from .cost import CostModel, Floats, Ints

BISECTIONS = 40
EDGE = 1e-6


class Path(Protocol):
    """Densities of all groups along one parameter."""

    def __call__(self, position: float) -> Floats:
        """Densities (G,) in [0, 1] at a position in [0, 1]; non-decreasing, dense at 1."""


@dataclass(frozen=True, eq=False)
class Scaled:
    """Densities in fixed proportion, capped at dense: uniform when all scales are equal.

    Attributes:
        scale: of each group, shape (G,), positive.
    """

    scale: Floats

    def __call__(self, position: float) -> Floats:
        """Densities (G,) = min(1, scale * position / smallest scale)."""
        densities: Floats = np.minimum(1.0, self.scale * (position / self.scale.min()))
        return densities


@dataclass(frozen=True, eq=False)
class Odds:
    """Odds of densities, d / (1 - d), in fixed proportion.

    Attributes:
        odds: of each group where the position is a half, shape (G,), positive.
    """

    odds: Floats

    def __call__(self, position: float) -> Floats:
        """Densities (G,) whose odds are those of the position, times ``odds``."""
        kept = position * self.odds
        densities: Floats = kept / (kept + 1 - position)
        return densities


@dataclass(frozen=True, eq=False)
class Ranked:
    """All units of all groups in one order; the first ones stay.

    Attributes:
        ranks: of each group's units in the common order (0 = stays longest), sorted ascending.
        total: number of units.
    """

    ranks: tuple[Ints, ...]
    total: int

    def __call__(self, position: float) -> Floats:
        """Densities (G,) when the first ``round(position * total)`` units stay."""
        count = round(position * self.total)
        return np.array([np.searchsorted(r, count) / len(r) for r in self.ranks])


def uniform(cost: CostModel, scores: Sequence[Floats], shapes: Sequence[tuple[int, ...]]) -> Path:
    """The same density everywhere."""
    return Scaled(np.ones(len(cost.names)))


def erk(cost: CostModel, scores: Sequence[Floats], shapes: Sequence[tuple[int, ...]]) -> Path:
    """Density in proportion to sum(dims) / prod(dims) of the layer's weight.

    Evci et al. 2020, arXiv:1911.11134, section 3: Erdos-Renyi kernel.
    """
    return Scaled(np.array([sum(s) / np.prod(s) for s in shapes]))


def shared(cost: CostModel, scores: Sequence[Floats], shapes: Sequence[tuple[int, ...]]) -> Path:
    """Odds of a unit to stay in proportion to the root of how many tensors its group is part of.

    A unit of a residual stream, which every block reads and writes, stays longer than one inside a
    block. Of single weights all groups are in one tensor each: the same as uniform. Not from the
    literature; the root was chosen on ResNet-20 and MiniLM (docs/design.md).
    """
    return Odds(np.sqrt(cost.tensors / cost.tensors.max(initial=1)))


def global_ranking(
    cost: CostModel, scores: Sequence[Floats], shapes: Sequence[tuple[int, ...]]
) -> Path:
    """All units ranked together by their scores."""
    return ranked(scores)


def lamp(cost: CostModel, scores: Sequence[Floats], shapes: Sequence[tuple[int, ...]]) -> Path:
    """All units ranked together by LAMP: s_u^2 / sum of s_v^2 over v with s_v >= s_u.

    Lee et al. 2021, arXiv:2010.07611, eq. (3). The largest unit of every group scores 1.
    """
    return ranked([lamp_score(s) for s in scores])


def lamp_score(scores: Floats) -> Floats:
    """LAMP of non-negative scores, shape (n,) -> (n,).

    >>> lamp_score(np.array([1.0, 2.0, 2.0])).round(3).tolist()
    [0.111, 0.5, 1.0]
    """
    order = np.argsort(scores, kind="stable")
    squares = (scores[order].astype(np.float64) / (float(scores.max()) or 1.0)) ** 2
    tail = np.cumsum(squares[::-1])[::-1]
    result = np.empty_like(squares)
    result[order] = squares / np.maximum(tail, np.finfo(np.float64).tiny)
    return result


def ranked(scores: Sequence[Floats]) -> Ranked:
    """The common order of all units, largest score first; ties keep the order of the groups."""
    sizes = [len(s) for s in scores]
    order = np.argsort(-np.concatenate([*scores, np.empty(0)]), kind="stable")
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    parts = np.split(ranks, np.cumsum(sizes)[:-1]) if sizes else []
    return Ranked(tuple(np.sort(p) for p in parts), len(order))


Allocation = Callable[[CostModel, Sequence[Floats], Sequence[tuple[int, ...]]], Path]
ALLOCATIONS: Mapping[str, Allocation] = {
    "uniform": uniform,
    "global": global_ranking,
    "erk": erk,
    "lamp": lamp,
    "shared": shared,
}


def allocation(name: str) -> Allocation:
    """The allocation of that name.

    Raises:
        UsageError: there is none; the nearest is offered.
    """
    if name not in ALLOCATIONS:
        raise unknown("allocation", name, ALLOCATIONS)
    return ALLOCATIONS[name]


def fit(path: Path, cost: CostModel, density: float, budget: str, offsets: Floats) -> Ints:
    """Widths (G,) on ``path``, bent by ``offsets``, whose cost meets the budget exactly.

    The cost is at most ``density`` of the dense cost and misses it by less than one step of a
    group; every group keeps at least its floor, also where that alone costs more.

    Args:
        path: the base allocation.
        cost: what widths cost.
        density: share of the dense cost to keep, in (0, 1].
        budget: ``"units"``, ``"params"`` or ``"macs"``.
        offsets: added to each group's density in logit space, shape (G,).

    Raises:
        UsageError: density out of range.
    """
    if not 0 < density <= 1:
        raise UsageError(f"density must be in (0, 1], got {density}")
    target = density * cost.cost(cost.widths, budget)
    target = round(target) if budget == "units" else target + 0.5

    def affordable(densities: Floats) -> bool:
        return cost.cost(floors(densities, cost), budget) <= target

    position = bisect(lambda p: affordable(path(p)), 0.0, 1.0)
    base = path(position)
    if np.any(offsets):
        logits = np.log(np.clip(base, EDGE, 1 - EDGE) / (1 - np.clip(base, EDGE, 1 - EDGE)))
        shift = bisect(lambda t: affordable(sigmoid(logits + offsets + t)), -40.0, 40.0)
        base = sigmoid(logits + offsets + shift)
    return top_up(base, cost, target, budget)


def bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest value in [low, high] at which ``holds``, which is true up to some value."""
    if holds(high):
        return high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def top_up(densities: Floats, cost: CostModel, target: float, budget: str) -> Ints:
    """Allowed widths below ``densities``, then a step more where the budget still has room.

    Groups that lost most by rounding down come first.
    """
    widths = floors(densities, cost)
    remainders = (densities * cost.widths - widths) / cost.step
    wider = cost.wider(widths)
    for g in np.argsort(-remainders, kind="stable"):
        narrow, widths[g] = widths[g], wider[g]
        if cost.cost(widths, budget) > target:
            widths[g] = narrow
    return widths


def floors(densities: Floats, cost: CostModel) -> Ints:
    """The allowed widths at or below these densities."""
    return cost.snap(np.floor(densities * cost.widths + EDGE))


def sigmoid(x: Floats) -> Floats:
    """Logistic function, without overflow."""
    result: Floats = 0.5 * (1 + np.tanh(0.5 * x))
    return result
