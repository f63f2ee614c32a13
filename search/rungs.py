"""Which finished trials go up a rung: further trials of the same plan with a longer recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .front import coordinates, rank, spread_order
from .goal import Goal

SHARE = 10
"""One plan in ten goes up: fine-tuning costs about ten times what reconstruction does."""
GROWTH = 4
"""A rung trains four times as long as the one below, and takes a quarter of its plans."""


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
    """

    max_epochs: float
    n_trials: int

    @property
    def epochs(self) -> tuple[float, ...]:
        """Epochs by rung, rung 0 first: 0, then growing by ``GROWTH`` up to ``max_epochs``."""
        if self.max_epochs <= 0:
            return (0.0,)
        ladder = [float(self.max_epochs)]
        while ladder[0] >= GROWTH:
            ladder.insert(0, ladder[0] / GROWTH)
        return (0.0, *ladder)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Plans by rung; at least one on every rung."""
        first = [self.n_trials]
        for rung in range(1, len(self.epochs)):
            first.append(max(1, first[-1] // (SHARE if rung == 1 else GROWTH)))
        return tuple(first)


def promotable(
    trials: Sequence[Finished],
    goal: Goal,
) -> list[int]:
    """Numbers of one rung's trials in the order in which they deserve the next.

    Plans that violate a constraint on a cost come last, since training cannot mend it; then
    non-dominated rank decides, then how near a plan is to the constraints on qualities, then spread
    over the front.
    """
    points = coordinates(goal.axes, [t.values for t in trials])
    ranks = rank(points)
    broken = [goal.violation(t.values, costs_only=True) for t in trials]
    layers: dict[tuple[float, int], list[int]] = {}
    for i in range(len(trials)):
        layers.setdefault((broken[i], int(ranks[i])), []).append(i)
    order: list[int] = []
    for key in sorted(layers):
        members = layers[key]
        spread = [members[i] for i in spread_order(points[members])]
        order += sorted(spread, key=lambda i: goal.violation(trials[i].values))
    return [trials[i].number for i in order]
