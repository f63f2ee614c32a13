"""Which finished trials go up a rung: further trials of the same plan with a longer recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .front import coordinates, rank, spread_order
from .goal import Goal
from .history import Record

SHARE = 0.4
"""Part of the plans of rung 0 that goes up: it covers 0.99 of the hypervolume of all."""
GROWTH = 4
"""A rung trains four times as long as the one below, and takes a quarter of its plans."""
TRUSTED = 0.7
"""Rank correlation from which on a rung predicts the next well enough."""
WIDEST = 2.0
"""Times as many plans go up where a rung tells nothing about the next."""
SLICE = 4
"""Fewest plans, neighbours in density, whose losses on two rungs are compared."""
ROUNDING = 1e-9  # of a product that should be whole


@dataclass(frozen=True)
class Finished:
    """One finished trial, as the strategy sees it."""

    number: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Rungs:
    """The ladder of a study.

    Attributes:
        max_epochs: of fine-tuning on the highest rung; 0 = only rung 0, which does not train.
        n_trials: plans on rung 0.
        share: part of them that goes up to rung 1, in (0, 1].
    """

    max_epochs: float
    n_trials: int
    share: float = SHARE

    @property
    def epochs(self) -> tuple[float, ...]:
        """Epochs by rung, rung 0 first: 0, then growing by ``GROWTH`` up to ``max_epochs``."""
        if self.max_epochs <= 0:
            return (0.0,)
        ladder = [float(self.max_epochs)]
        while ladder[0] >= GROWTH:
            ladder.insert(0, ladder[0] / GROWTH)
        return (0.0, *ladder)

    def sizes(self, plans: int, agreements: Sequence[Agreement] = ()) -> tuple[int, ...]:
        """Plans by rung; at least one on every rung.

        Args:
            plans: finished on rung 0, or expected there.
            agreements: how well rungs predict the next, from rung 0, as far as it is known. Where
                they do so badly, up to :data:`WIDEST` times as many plans go up.
        """
        found, widenings = [plans], {a.rung: a.widening for a in agreements}
        for rung in range(1, len(self.epochs)):
            share = self.share if rung == 1 else 1 / GROWTH
            share = min(1.0, share * widenings.get(rung - 1, 1.0))
            found.append(max(1, int(found[-1] * share + ROUNDING)))
        return tuple(found)


@dataclass(frozen=True)
class Agreement:
    """How well a rung predicts the next one.

    Attributes:
        rung: the lower one.
        pairs: plans with a result on both.
        spearman: rank correlation of their losses on both, among plans of similar density; ``None``
            where there are fewer than four pairs.
    """

    rung: int
    pairs: int
    spearman: float | None

    @property
    def widening(self) -> float:
        """Times as many plans as usual that should go up, in [1, :data:`WIDEST`]."""
        if self.spearman is None:
            return 1.0
        doubt = (TRUSTED - self.spearman) / TRUSTED
        return 1 + (WIDEST - 1) * min(1.0, max(0.0, doubt))


@dataclass
class Agreements:
    """Compares the losses of plans on neighbouring rungs as results come in."""

    _known: dict[int, tuple[float, float]] = field(default_factory=dict, init=False)
    _pairs: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict, init=False)

    def add(self, record: Record) -> None:
        """Take note of a complete trial; those of lower rungs come before those of higher ones."""
        density, loss = 1 - record.plan["ratio"], record.values["loss"]
        self._known[record.number] = (density, loss)
        if record.parent in self._known:
            before = self._known[record.parent][1]
            self._pairs.setdefault(record.rung - 1, []).append((density, before, loss))

    def found(self) -> tuple[Agreement, ...]:
        """One per rung that has a next one with results, from rung 0."""
        return tuple(
            Agreement(rung, len(pairs), correlation(pairs))
            for rung, pairs in sorted(self._pairs.items())
        )


def correlation(pairs: Sequence[tuple[float, float, float]]) -> float | None:
    """Spearman's rank correlation within slices of density, weighed by their sizes.

    Over all densities any rung would predict the next: small models are worse on both. What must be
    told apart is plans that cost the same.

    Args:
        pairs: density, loss on the lower rung, loss on the higher one.

    >>> correlation([(0.1, 1.0, 0.8), (0.1, 1.2, 0.9), (0.1, 0.9, 0.5), (0.1, 2.0, 1.0)])
    1.0
    """
    if len(pairs) < SLICE:
        return None
    ordered = np.array(sorted(pairs))
    parts = np.array_split(ordered, len(ordered) // SLICE)
    return round(sum(len(p) * spearman(p) for p in parts) / len(ordered), 6)


def spearman(part: np.ndarray) -> float:
    """Spearman's correlation of the last two columns; 0 where one of them is constant."""
    if np.ptp(part[:, 1]) == 0 or np.ptp(part[:, 2]) == 0:
        return 0.0
    from scipy.stats import spearmanr  # takes half a second to import

    return float(spearmanr(part[:, 1], part[:, 2]).statistic)


def ranked(trials: Sequence[Finished], goal: Goal) -> list[int]:
    """Numbers of one rung's trials, best first: :func:`classes` one after the other."""
    return [number for members in classes(trials, goal) for number in members]


def classes(trials: Sequence[Finished], goal: Goal) -> list[list[int]]:
    """Numbers of one rung's trials by how well they do, best first.

    Plans that violate a constraint on a cost come last, since training cannot mend it; then
    non-dominated rank decides, then how near a plan is to the constraints on qualities. Those that
    are alike in all of it are a class, in an order of which every start is spread over the front.
    """
    points = coordinates(goal.axes, [t.values for t in trials])
    ranks = rank(points)
    found: dict[tuple[float, int, float], list[int]] = {}
    for i, trial in enumerate(trials):
        broken = goal.violation(trial.values, costs_only=True)
        key = broken, int(ranks[i]), goal.violation(trial.values)
        found.setdefault(key, []).append(i)
    members = [found[key] for key in sorted(found)]
    return [[trials[m[i]].number for i in spread_order(points[m])] for m in members]
