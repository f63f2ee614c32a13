"""One-layer sensitivities: what each group's loss does when only that group is thinned.

Measured once per study with the recovery that trials use, on calibration data, as loss: accuracy
is too coarse to rank small changes. A profile is a table of numbers; the allocation ``dp`` turns
it into a whole front of splits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from ..objectives.modes import measuring
from ..task import batch_size, forward
from .calibration import Calibration, take
from .cost import CostModel, Floats
from .dense import Dense
from .plan import PruningPlan, Recovery
from .prune import apply_plan

LEVELS = (1.0, 0.5, 0.2, 0.05)
"""Densities that every group is tried at, but for the first. On ResNet-20 splits from the last
three were as good as from fourteen, at 15 to 75 % of the multiply-accumulates."""
SAMPLES = 256
"""Of the calibration data, that a thinned model is fitted to and measured on."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Sensitivity of G groups at L densities.

    Attributes:
        densities: of the levels, falling from 1, shape (L,).
        rise: of the calibration loss over the dense loss, per group and level, non-decreasing
            as the density falls, shape (G, L).
        seconds: that measuring it took; 0 where nobody knows.
    """

    densities: Floats
    rise: Floats
    seconds: float = 0.0


def measure_profile(
    dense: Dense,
    granularity: str,
    criterion: str,
    recovery: Recovery,
    share: Callable[[float], None] = lambda _: None,
) -> Profile:
    """Thin every group alone to every level and measure the loss on the calibration data.

    Args:
        dense: the model; its calibration has a loss.
        granularity: whose groups.
        criterion: ranks the units.
        recovery: as in trials; its epochs are not trained.
        share: hears how far it has come, in [0, 1].
    """
    groups = dense.units(granularity)
    start = time.perf_counter()
    few = tuple(take(dense.calibration.batches, SAMPLES))
    dense = replace(dense, calibration=replace(dense.calibration, batches=few))
    base = mean_loss(dense.model, dense.calibration)
    rise = np.zeros((len(groups), len(LEVELS)))
    for g, group in enumerate(groups):
        for level, density in enumerate(LEVELS[1:], start=1):
            plan = PruningPlan(
                granularity=granularity,
                criterion=criterion,
                allocation="profile",
                ratio=0.0,
                budget="units",
                density={group.name: max(density, group.floor / group.width)},
                recovery=recovery,
            )
            rise[g, level] = max(0.0, loss_of(dense, plan) - base)
            share((g * (len(LEVELS) - 1) + level) / (len(groups) * (len(LEVELS) - 1)))
    seconds = time.perf_counter() - start
    return Profile(np.array(LEVELS), np.maximum.accumulate(rise, axis=1), seconds)


def loss_of(dense: Dense, plan: PruningPlan) -> float:
    """Mean loss of a pruned model on the calibration samples; infinite where it does not run.

    That is for trials to tell: plans with such widths fail there.
    """
    try:
        return mean_loss(apply_plan(dense, plan)[0], dense.calibration)
    except Exception:
        return float("inf")


def mean_loss(model: nn.Module, calibration: Calibration) -> float:
    """Mean loss over the calibration samples, in eval mode; infinite where it is not finite."""
    assert calibration.loss is not None
    total, count = 0.0, 0
    with measuring(model):
        for inputs, targets in calibration.batches:
            n = batch_size(inputs)
            total += float(calibration.loss(forward(model, inputs), targets)) * n
            count += n
    mean = total / count
    return mean if np.isfinite(mean) else float("inf")


@dataclass(frozen=True, eq=False)
class Tabulated:
    """A path through a table of densities, linear in between.

    Attributes:
        table: densities, no row below the one before, the last all 1, shape (positions, G).
    """

    table: Floats

    def __call__(self, position: float) -> Floats:
        """Densities (G,) at a position in [0, 1]."""
        place = position * (len(self.table) - 1)
        low = min(int(place), len(self.table) - 2)
        part = place - low
        row: Floats = (1 - part) * self.table[low] + part * self.table[low + 1]
        return row


POSITIONS = 256
REFINEMENTS = 4
FINE = np.geomspace(0.02, 1.0, 64)[::-1]
"""Densities that a path chooses from, falling."""
RESOLVED = 0.1
"""Share of the largest rise of a typical group below which rises are not told apart."""
LEAST = 1e-9  # rise that is one, and no rounding


def additive_path(profile: Profile, cost: CostModel, budget: str) -> Tabulated:
    """The splits that lose least if losses of groups add up, from empty to dense.

    For a price of cost every group takes the density with the smallest rise + price x cost, on the
    lower convex hull of its curve; sweeping the price gives the front (a Lagrangian sweep in the
    place of the dynamic programme of Frantar and Alistarh 2022, SPDY, arXiv:2201.13096, section
    3.2). What a unit costs depends on the widths of its neighbours, so prices are taken at the
    widths of the answer, by a few rounds.
    """
    curves = np.array([hull(FINE, rise) for rise in smooth(profile)])
    largest = float(np.max(curves)) or 1.0
    rows = [np.ones(len(curves))]
    for price in np.geomspace(largest * 1e-7, largest * 1e3, POSITIONS):
        row = rows[-1]
        for _ in range(REFINEMENTS):
            slopes = marginal_costs(cost, row, budget)
            row = FINE[np.argmin(curves + price * slopes[:, None] * FINE, axis=1)]
        rows.append(np.minimum(row, rows[-1]))
    rows.append(np.minimum(rows[-1], 1e-9))
    return Tabulated(np.array(rows[::-1]))


def smooth(profile: Profile) -> Floats:
    """Rises at the densities :data:`FINE`, (G, 64), through those that were measured.

    Monotone cubics of the logarithm of the rise over that of the density (Fritsch and Carlson
    1980), straight on below the lowest level: a power law, as losses of thinned layers nearly are.
    """
    from scipy.interpolate import PchipInterpolator  # takes a third of a second to import

    x = np.log(profile.densities[::-1])
    known = np.minimum(profile.rise, 1e6)
    largest = known.max(axis=1)
    rising = largest[largest > LEAST]
    least = RESOLVED * float(np.median(rising)) if len(rising) else 1.0
    y = np.log(known + least)[:, ::-1]
    within = PchipInterpolator(x, y, axis=1)(np.maximum(np.log(FINE), x[0]))
    slope = np.minimum(0.0, (y[:, 1] - y[:, 0]) / (x[1] - x[0]))
    below = np.minimum(0.0, np.log(FINE) - x[0])
    read: Floats = np.exp(within + slope[:, None] * below) - least
    return np.maximum(read, 0.0)


def hull(densities: Floats, rise: Floats) -> Floats:
    """The lower convex hull of a falling curve, at the same densities."""
    order = np.argsort(densities)
    xs, ys = densities[order], rise[order]
    kept: list[int] = []
    for i in range(len(xs)):
        while len(kept) > 1 and is_above(xs, ys, kept[-2], kept[-1], i):
            kept.pop()
        kept.append(i)
    read: Floats = np.interp(densities, xs[kept], ys[kept])
    return read


def is_above(xs: Floats, ys: Floats, a: int, b: int, c: int) -> bool:
    """Whether point b lies on or above the line from a to c."""
    return bool((ys[b] - ys[a]) * (xs[c] - xs[a]) >= (ys[c] - ys[a]) * (xs[b] - xs[a]))


def marginal_costs(cost: CostModel, densities: Floats, budget: str) -> Floats:
    """Share of the dense cost that each group's whole width makes at these densities, (G,)."""
    widths: Floats = densities * cost.widths
    total = cost.cost(cost.widths, budget)
    slopes = np.empty(len(widths))
    for g in range(len(widths)):
        full, none = widths.copy(), widths.copy()
        full[g], none[g] = cost.widths[g], 0.0
        slopes[g] = (cost.cost(full, budget) - cost.cost(none, budget)) / total
    return slopes
