"""Layers down the side of a heat map, below the names of their stages."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go

from .theme import EDGE, heat_rows
from .view import View


def stages_of(view: View, granularity: str, rows: Sequence[str]) -> dict[str, str]:
    """Stage by layer; empty where there is one stage, a stage for each layer, or no tree."""
    groups = view.tree.units(granularity) if view.tree else ()
    known = {g.name: g.stage for g in groups}
    stages = {name: known.get(name, "") for name in rows}
    several = 1 < len(set(stages.values())) < len(rows)
    return stages if several and all(stages.values()) else {}


def labels(rows: Sequence[str], stages: Mapping[str, str]) -> list[str]:
    """What stands beside every row: the first of a stage names it too.

    >>> labels(["a.0", "a.1", "b.0"], {"a.0": "a", "a.1": "a", "b.0": "b"})
    ['<b>a</b>  0', '1', '<b>b</b>  0']
    """
    found, before = [], None
    for name in rows:
        stage = stages.get(name, "")
        inner = name.removeprefix(stage).lstrip(".")
        head = f"<b>{html.escape(stage)}</b>  " if stage and stage != before else ""
        found.append((head + html.escape(inner)).rstrip())
        before = stage
    return found


def edges(rows: Sequence[str], stages: Mapping[str, str]) -> list[float]:
    """Where one stage ends and the next begins.

    >>> edges(["a.0", "a.1", "b.0"], {"a.0": "a", "a.1": "a", "b.0": "b"})
    [1.5]
    """
    return [i + 0.5 for i, (a, b) in enumerate(pairwise(rows)) if stages.get(a) != stages.get(b)]


def label_rows(figure: go.Figure, view: View, granularity: str, rows: Sequence[str]) -> None:
    """Name the rows 0, 1, ... of a heat map from the top down, and part the stages.

    Where there are more rows than room, only every second, third, ... is named.
    """
    stages = stages_of(view, granularity, rows)
    texts = labels(rows, stages)
    step = -(-len(rows) // heat_rows())
    axis: dict[str, Any] = {
        "tickmode": "array",
        "tickvals": list(range(0, len(rows), step)),
        "ticktext": texts[::step],
        "range": [len(rows) - 0.5, -0.5],
    }
    figure.update_yaxes(**axis, automargin=True, ticks="", showgrid=False, zeroline=False)
    for place in edges(rows, stages):
        figure.add_hline(y=place, line={"color": EDGE, "width": 2})
