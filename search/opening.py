"""From coarse to fine: which level of the hierarchy plans are varied on."""

from __future__ import annotations

from typing import Literal

from .front import Floats, hypervolume

Depth = Literal["none", "stage", "layer"]
DEPTHS: tuple[Depth, ...] = ("none", "stage", "layer")
"""Levels, coarse first: the base allocations and what lies between them; stages; single groups."""
PAYS = 0.003
"""Share by which a plan must raise the hypervolume for its level to pay."""
WAIT = 3
"""Plans in a row that do not pay before the next level is opened."""


def opened(points: Floats, begun: int) -> Depth:
    """The level to vary, by how the hypervolume grew.

    With few plans there is more to find between the base allocations than in single layers, whose
    switches are as many directions as there are layers. A level that was opened stays open, but
    where a plan that was begun before pays after all.

    Args:
        points: of the finished plans, to be minimised, in their order, shape (N, m).
        begun: plans of the sweeps, which open nothing.

    >>> import numpy as np
    >>> better, same = np.linspace(0.9, 0.1, 9), np.full(4, 0.1)
    >>> [opened(np.tile(x[:, None], 2), 2) for x in (better, np.append(better, same))]
    ['none', 'stage']
    """
    level = idle = 0
    best = hypervolume(points[:begun])
    for count in range(begun + 1, len(points) + 1):
        volume = hypervolume(points[:count])
        idle = 0 if volume > best * (1 + PAYS) else idle + 1
        best = max(best, volume)
        if idle == WAIT:
            level, idle = level + 1, 0
        if level == len(DEPTHS) - 1:
            break
    return DEPTHS[level]
