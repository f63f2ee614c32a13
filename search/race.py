"""Which base allocation serves this model: a few plans of each, then the winner's sweep.

No allocation is best everywhere: sensitivities win on structures, LAMP on single weights. A race of
a few plans per base costs less than a wrong choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .front import coordinates, hypervolume
from .goal import Goal
from .history import Record
from .space import SearchSpace
from .warm import base_choices, sweep_point, warm_starts

HEATS = 3
"""Plans of every base before one is preferred."""
SWEEP = 6
"""Further plans of the winner, before its offsets are searched."""


def opening(
    space: SearchSpace, goal: Goal, records: Sequence[Record], index: int, n_trials: int
) -> dict[str, Any] | None:
    """Parameters of the index-th plan while racing and sweeping; ``None`` afterwards.

    Args:
        space: to choose from.
        goal: decides who wins.
        records: the finished trials of rung 0.
        index: of the plan, from 0.
        n_trials: plans of the study; at most half of them are spent here.
    """
    bases = list(base_choices(space))
    heats = warm_starts(space, n_trials)[: HEATS * len(bases)]
    if index < len(heats):
        return heats[index]
    lap = index - len(heats)
    if not heats or lap >= SWEEP or index >= n_trials // 2:
        return None
    granularity, fixed = winner(space, goal, records)
    return sweep_point(space, granularity, fixed, HEATS + lap)


def winner(space: SearchSpace, goal: Goal, records: Sequence[Record]) -> tuple[str, dict[str, Any]]:
    """The base whose plans cover the most hypervolume; the first of equals."""
    rows: dict[tuple[str, ...], list[Mapping[str, float]]] = defaultdict(list)
    for r in records:
        rows[r.plan["granularity"], r.plan["criterion"], r.plan["allocation"]].append(r.values)

    def volume(base: tuple[str, dict[str, Any]]) -> float:
        granularity, fixed = base
        choices = (fixed[f"{granularity}.{name}"] for name in ("criterion", "allocation"))
        return hypervolume(coordinates(goal.axes, rows[(granularity, *choices)]))

    return max(base_choices(space), key=volume)


def held(space: SearchSpace, goal: Goal, records: Sequence[Record]) -> dict[str, Any]:
    """The winner's choices, as parameters to hold fixed; only those that the space has."""
    granularity, fixed = winner(space, goal, records)
    options = space.options
    several = {
        "granularity": len(options.granularities) > 1,
        f"{granularity}.criterion": len(options.criteria[granularity]) > 1,
        f"{granularity}.allocation": len(space.allocations(granularity)) > 1,
    }
    return {name: fixed[name] for name, varies in several.items() if varies}
