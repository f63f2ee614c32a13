"""Hypervolume as the search went on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ...search.front import Floats, hypervolume, non_dominated
from ...search.history import Heights
from .theme import FRONT, base_layout
from .view import View

STEPS = 300
"""Points of the curve at most."""
UNITS = (("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0))


def progress_figures(view: View) -> dict[str, go.Figure]:
    """The curve over finished trials and over time, on the samples that the search saw."""
    counts = checkpoints(len(view.records))
    if all(r.rung == 0 for r in view.known):
        volumes = growing_volume(view.known_points, counts)
    else:
        volumes = judged_volume(view, counts)
    elapsed = [view.clock.elapsed[n - 1] for n in counts]
    unit, size = next((u, s) for u, s in reversed(UNITS) if elapsed[-1] >= 2 * s or s == 1.0)
    return {
        "trials": curve([0, *counts], [0.0, *volumes], "finished trials"),
        "time": curve([0, *(e / size for e in elapsed)], [0.0, *volumes], f"time [{unit}]"),
    }


def checkpoints(n: int) -> list[int]:
    """At most :data:`STEPS` increasing counts from 1 to ``n``, the early ones densest."""
    if n <= STEPS:
        return list(range(1, n + 1))
    return [int(c) for c in np.unique(np.geomspace(1, n, STEPS).round().astype(int))]


def growing_volume(points: Floats, counts: Sequence[int]) -> list[float]:
    """Hypervolume of the first ``c`` points for every ``c`` of ``counts``, increasing."""
    best = points[:0]
    volumes = []
    for before, count in zip([0, *counts], counts, strict=False):
        best = np.concatenate([best, points[before:count]])
        best = best[non_dominated(best)]
        volumes.append(hypervolume(best))
    return volumes


def judged_volume(view: View, counts: Sequence[int]) -> list[float]:
    """The same where plans went up rungs: each counts where it stood highest by then."""
    heights, volumes = Heights(), []
    for before, count in zip([0, *counts], counts, strict=False):
        for record in view.known[before:count]:
            heights.add(record)
        rows = [i for i, r in enumerate(view.known[:count]) if heights.current(r)]
        volumes.append(hypervolume(view.known_points[rows]))
    return volumes


def curve(xs: Sequence[float], ys: Sequence[float], name: str) -> go.Figure:
    """A staircase; it falls only where a plan was worse on a higher rung."""
    figure = go.Figure(layout=base_layout(height=340))
    figure.add_scatter(
        x=list(xs),
        y=list(ys),
        mode="lines",
        line={"shape": "hv", "color": FRONT, "width": 2},
        hovertemplate=f"{name} %{{x:.4g}}<br>hypervolume %{{y:.4f}}<extra></extra>",
        name="hypervolume",
    )
    figure.update_xaxes(title={"text": name}, zeroline=False, automargin=True, rangemode="tozero")
    figure.update_yaxes(title={"text": "hypervolume"}, zeroline=False, automargin=True)
    figure.update_layout(hovermode="x", showlegend=False)
    return figure
