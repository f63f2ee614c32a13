"""What training would bring, foretold from the plans that were trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .front import Axis, Floats, hypervolume, non_dominated

LEFT = 0.4
"""Part of a lost quality that training leaves, where no trial tells."""
TRUST = (0.3, 0.03)
"""How much that all plans keep the same part, and that it is :data:`LEFT`, count beside trials."""
LEAST = 1e-3
"""Losses of quality below are as good as none."""


def foretold(axes: Sequence[Axis], before: Floats, after: Floats, at: Floats) -> Floats:
    """Points after training of plans that stand at ``at``, shape (N, m); costs stay.

    Args:
        axes: of the points.
        before: points of plans that were trained, as they were, shape (K, m).
        after: and as they became, shape (K, m).
        at: points of others, shape (N, m).
    """
    columns = [
        column if axis.guess is None else mended(was, became, column)
        for axis, was, became, column in zip(axes, before.T, after.T, at.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def mended(before: Floats, after: Floats, at: Floats) -> Floats:
    """One coordinate after training: of 0 what dense has, of 1 what guessing has; never worse.

    A line between the logarithms of what is lost before and after, by least squares, drawn towards
    a slope of 1 and :data:`LEFT`.

    >>> none = np.empty(0)
    >>> mended(none, none, np.array([0.5, 0.1, 0.0])).round(3).tolist()
    [0.2, 0.04, 0.0]
    """
    both = np.isfinite(before) & np.isfinite(after)
    x, y = logarithm(before[both]), logarithm(after[both])
    known = np.stack([x, np.ones(len(x))], axis=1)
    weights, usual = np.diag(TRUST), np.array([1.0, np.log(LEFT)])
    line = np.linalg.solve(known.T @ known + weights, known.T @ y + weights @ usual)
    found: Floats = np.minimum(at, np.exp(line[0] * logarithm(at) + line[1]))
    return found


def logarithm(lost: Floats) -> Floats:
    """Of a coordinate."""
    found: Floats = np.log(np.maximum(lost, LEAST))
    return found


def gains(standing: Floats, points: Floats) -> Floats:
    """By how much each of the points (N, m) would raise the hypervolume of others (F, m), (N,)."""
    front = standing[non_dominated(standing)]
    now = hypervolume(front)
    return np.array([hypervolume(np.vstack([front, p])) - now for p in points])
