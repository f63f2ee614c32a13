"""The front in three objectives at once."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from .axes import Scale
from .front_figure import thinned
from .theme import DENSE, FRONT, LIMIT, PICK, base_layout
from .view import View
from .words import full_hover, short_hover

DRAWN = 1500
"""Other trials that are drawn at most."""
Box = tuple[Scale, Scale, Scale]
"""The axes x, y, z."""


def space_figure(view: View) -> go.Figure:
    """The first three objectives, the first quality upwards."""
    z, x, y = view.objectives[:3]
    box = (Scale.of(view, x), Scale.of(view, y), Scale.of(view, z))
    figure = go.Figure(layout=base_layout(height=560))
    figure.add_traces([others(view, box), front(view, box), *marks(view, box)])
    figure.add_traces(limits(view, box))
    axes = {f"{k}axis": scale.layout() for k, scale in zip("xyz", box, strict=True)}
    camera = {"eye": {"x": 1.35, "y": -1.5, "z": 0.5}, "center": {"x": 0, "y": 0, "z": -0.1}}
    figure.update_layout(
        scene={"camera": camera, "aspectmode": "cube", **axes},
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
    )
    return figure


def position(view: View, rows: list[int], box: Box) -> dict[str, Any]:
    """Coordinates of some trials."""
    return {k: view.values(scale.info.name)[rows] for k, scale in zip("xyz", box, strict=True)}


def others(view: View, box: Box) -> go.Scatter3d:
    """All other trials within the first view, pale."""
    rows = [i for i in thinned(view, DRAWN) if within(view, i, box)]
    return go.Scatter3d(
        **position(view, rows, box),
        mode="markers",
        name="other trials",
        marker={"color": "gray", "opacity": 0.5, "size": 2},
        text=[short_hover(view.records[i], view.shown) for i in rows],
        hovertemplate="%{text}<extra></extra>",
    )


def front(view: View, box: Box) -> go.Scatter3d:
    """The front; hollow where a constraint of the study is broken."""
    rows = [i for i in view.front if within(view, i, box)]
    return go.Scatter3d(
        **position(view, rows, box),
        mode="markers",
        name="front",
        marker={
            "color": FRONT,
            "size": 4.5,
            "symbol": ["circle" if view.admitted[i] else "circle-open" for i in rows],
        },
        text=[full_hover(view.records[i], view.shown) for i in rows],
        hovertemplate="%{text}<extra></extra>",
    )


def within(view: View, row: int, box: Box) -> bool:
    """Whether a trial is inside the box; WebGL draws points outside it too."""
    values = view.records[row].values
    return all(scale.low <= values[scale.info.name] <= scale.high for scale in box)


def marks(view: View, box: Box) -> list[go.Scatter3d]:
    """The dense model, what ``pick`` takes when it is told nothing, and what was picked."""
    found = [("dense", view.record.dense.values, DENSE, "diamond", 7)]
    if view.pick is not None:
        record = view.records[view.pick]
        name = f"pick takes this: trial {record.number}"
        found.append((name, record.values, PICK, "circle-open", 10))
    found += [
        (f"picked: trial {view.records[i].number}", view.records[i].values, PICK, "square-open", 12)
        for i in view.taken
    ]
    return [
        go.Scatter3d(
            **{k: [values[s.info.name]] for k, s in zip("xyz", box, strict=True)},
            mode="markers",
            name=name,
            marker={"color": colour, "size": size, "symbol": symbol},
            hovertemplate=f"<b>{name}</b><extra></extra>",
        )
        for name, values, colour, symbol, size in found
    ]


def limits(view: View, box: Box) -> list[go.Mesh3d]:
    """The study's constraints on the three objectives, as planes."""
    goal = view.record.goal()
    names = [scale.info.name for scale in box]
    return [
        plane(box, names.index(c.objective), c.bound(goal.dense), str(c))
        for c in goal.constraints
        if c.objective in names
    ]


def plane(box: Box, fixed: int, bound: float, name: str) -> go.Mesh3d:
    """A rectangle through the box, across one axis."""
    a, b = (s for i, s in enumerate(box) if i != fixed)
    corners = [(u, v) for u in (a.low, a.high) for v in (b.low, b.high)]
    columns: list[list[float]] = [list(c) for c in zip(*corners, strict=True)]
    columns.insert(fixed, [bound] * 4)
    return go.Mesh3d(
        **dict(zip("xyz", columns, strict=True)),
        i=[0, 1],
        j=[1, 2],
        k=[2, 3],
        color=LIMIT,
        opacity=0.18,
        name=name,
        showlegend=True,
        hoverinfo="skip",
    )
