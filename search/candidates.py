"""Splits worth a thought: points of the base allocations, mixtures of them, variants of the front.

All are rows of logits, one column per group, made at random by the hundred; what they cost is
arithmetic, so a model of quality alone can choose among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..pruners.allocation import EDGE, Path, sigmoid
from ..pruners.cost import CostModel, Floats, Ints

POSITIONS = 97
"""Points that a base allocation is tabulated at."""
SWITCH = 0.8
"""Standard deviation of a level switch, in logit space."""
SLIDE = 0.7
"""Standard deviation of how far a plan slides along a base allocation, in logits of the cost."""
SCALE = 0.3
"""Standard deviation of the logarithm by which groups slide farther or less far."""
FARTHEST = float(-np.log(EDGE))
"""Largest logit."""
HALVINGS = 20
"""Of the span in which a row's common move is sought."""
Generator = np.random.Generator


def logit(densities: Floats) -> Floats:
    """Log odds of densities, kept finite."""
    inner = np.clip(densities, EDGE, 1 - EDGE)
    odds: Floats = np.log(inner / (1 - inner))
    return odds


@dataclass(frozen=True, eq=False)
class Road:
    """A base allocation, tabulated between two global densities.

    Attributes:
        shares: of the dense cost, rising, shape (P,).
        logits: of the densities at these costs, shape (P, G).
    """

    shares: Floats
    logits: Floats

    def at(self, shares: Floats) -> Floats:
        """Logits (N, G) of the points that cost these shares, shape (N,)."""
        columns = [np.interp(shares, self.shares, column) for column in self.logits.T]
        return np.stack(columns, axis=1)


def road(path: Path, cost: CostModel, budget: str) -> Road:
    """A path as a table; densities below the floor of a group count as the floor."""
    low = cost.floor / cost.widths
    rows = np.array([np.maximum(path(p), low) for p in np.linspace(0, 1, POSITIONS) ** 2])
    shares = costs(cost, rows * cost.widths, budget)
    kept = np.concatenate([[True], np.diff(np.maximum.accumulate(shares)) > 0])
    return Road(shares[kept], logit(rows[kept]))


def costs(cost: CostModel, widths: Floats | Ints, budget: str) -> Floats:
    """Shares of the dense cost of many width vectors at once, shape (N, G) -> (N,)."""
    elements = cost.sizes(widths).prod(axis=2)  # (N, T)
    weight = cost.macs_per_element if budget == "macs" else np.ones(elements.shape[1])
    shares: Floats = (elements @ weight) / cost.cost(cost.widths, budget)
    return shares


def candidates(
    roads: Sequence[Road],
    front: Floats,
    span: tuple[float, float],
    count: int,
    random: Generator,
    parts: Ints | None = None,
) -> Floats:
    """Logits (N, G) of about ``count`` candidates.

    Args:
        roads: the base allocations.
        front: logits of what is best so far, shape (F, G), in the order of their costs.
        span: of the global density.
        count: how many; about half of them near the front.
        random: draws them.
        parts: the number of the part that each group belongs to, shape (G,); the groups of a part
            are switched together. ``None`` for no switches.
    """
    shares = span[0] + (span[1] - span[0]) * random.random(count // 2) ** 2
    found = [mixtures(roads, shares, random)]
    if len(front):
        found += [blends(front, count // 6, random), slides(roads, front, count // 6, random)]
        if parts is not None:
            found.append(switches(front, count // 3, random, parts))
    return np.concatenate(found)


def mixtures(roads: Sequence[Road], shares: Floats, random: Generator) -> Floats:
    """Points between two base allocations at equal cost; every other one on a base itself."""
    tables = np.stack([r.at(shares) for r in roads])  # (B, N, G)
    rows = np.arange(len(shares))
    one, other = random.integers(len(roads), size=(2, len(shares)))
    part = np.where(rows % 2, random.random(len(shares)), 0.0)[:, None]
    mixed: Floats = (1 - part) * tables[one, rows] + part * tables[other, rows]
    return mixed


def switches(front: Floats, count: int, random: Generator, parts: Ints) -> Floats:
    """Members of the front with a few parts raised and lowered, by amounts that sum to nothing.

    The level switches of Sieberling et al. 2024 (EvoPress), arXiv:2410.14649, section 3, in logits.

    Args:
        front: as in :func:`candidates`, shape (F, G).
        count: how many.
        random: draws them.
        parts: number of each group's part, from 0, shape (G,).
    """
    base = front[random.integers(len(front), size=count)]
    number = int(parts.max()) + 1
    share = np.minimum(1.0, random.choice([2, 3, 6, number], size=count) / number)
    moved = random.random((count, number)) < share[:, None]
    moves = np.where(moved, random.normal(0, SWITCH, moved.shape), 0.0)
    size = random.choice([0.25, 0.5, 1.0], size=(count, 1))
    mean = moves.sum(axis=1, keepdims=True) / np.maximum(1, moved.sum(axis=1, keepdims=True))
    balanced = size * np.where(moved, moves - mean, 0.0)  # (count, parts)
    drift = random.normal(0, 0.15, (count, 1))
    switched: Floats = base + balanced[:, parts] + drift
    return switched


def slides(roads: Sequence[Road], front: Floats, count: int, random: Generator) -> Floats:
    """Members of the front at other costs, every group sliding along a base allocation.

    After Chin et al. 2020 (LeGR), arXiv:1904.12368, section 3: what a plan keeps of every group is
    a scale and a shift of its units in one ranking of all; with these fixed the common threshold
    gives plans of all costs. Here a group's shift is its place on the base, read off the plan; all
    places move by a common amount, times a scale of each group.
    """
    rows = front[random.integers(len(front), size=count)]
    which = random.integers(len(roads), size=count)
    moves = random.normal(0, SLIDE, (count, 1)) * np.exp(random.normal(0, SCALE, rows.shape))
    slid = np.empty_like(rows)
    for i, road in enumerate(roads):
        places, own = logit(road.shares), which == i
        for g, column in enumerate(road.logits.T):
            shifted = np.interp(rows[own, g], column, places) + moves[own, g]
            slid[own, g] = np.interp(shifted, places, column)
    return slid


def blends(front: Floats, count: int, random: Generator) -> Floats:
    """Points between two neighbours on the front, or beyond one of them; groups taken as one."""
    first = random.integers(len(front), size=count)
    second = np.clip(first + random.integers(-3, 4, size=count), 0, len(front) - 1)
    part = random.uniform(-0.3, 1.3, (count, 1))
    between: Floats = front[first] + part * (front[second] - front[first])
    return between


def moved_to(shares: Floats, logits: Floats, cost: CostModel, budget: str) -> Floats:
    """Logits (N, G), the groups of a row moved by one amount, so that it costs its share, (N,)."""
    low, high = np.full(len(logits), -2 * FARTHEST), np.full(len(logits), 2 * FARTHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        densities = sigmoid(logits + middle[:, None])
        dear = costs(cost, np.maximum(densities * cost.widths, cost.floor), budget) > shares
        low, high = np.where(dear, low, middle), np.where(dear, middle, high)
    moved: Floats = logits + low[:, None]
    return moved


def widths_of(logits: Floats, cost: CostModel) -> Ints:
    """Allowed widths nearest to the densities of these logits, (N, G) -> (N, G)."""
    units = np.rint(sigmoid(logits) * cost.widths)
    return cost.snap(units)
