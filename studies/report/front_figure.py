"""The front among all trials, two objectives at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from ...search.front import non_dominated
from ..run_record import ObjectiveInfo
from .axes import Scale
from .theme import CLEAR, DENSE, FAINT, FRONT, LIMIT, PALE, PICK, WHISKER, base_layout
from .view import View
from .words import full_hover, number, short_hover

DRAWN = 2500
"""Other trials that are drawn at most; taken evenly over the search where there are more."""


def front_figure(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Figure:
    """``y`` against ``x`` of every model; the front of all objectives stands out."""
    scales = Scale.of(view, x), Scale.of(view, y)
    figure = go.Figure(layout=base_layout())
    figure.update_xaxes(automargin=True, **scales[0].layout())
    figure.update_yaxes(automargin=True, **scales[1].layout())
    draw = {
        "others": others,
        "reached": best_line,
        "front": front_points,
        "broken": broken_points,
        "dense": dense_point,
        "pick": suggested_point,
        "taken": taken_points,
    }
    figure.add_traces([draw[role](view, x, y) for role in roles(view)])
    for shape in limit_shapes(view, x, y):
        figure.add_shape(shape)
    figure.update_layout(hovermode="closest")
    return figure


def roles(view: View) -> dict[str, list[int]]:
    """The traces in their order, and the trials that are in them."""
    kept = [i for i in view.front if view.admitted[i]]
    broken = [i for i in view.front if not view.admitted[i]]
    found = {
        "others": thinned(view, DRAWN),
        "reached": [],
        "front": kept,
        "broken": broken,
        "dense": [],
        "pick": [] if view.pick is None else [view.pick],
        "taken": list(view.taken),
    }
    return {k: rows for k, rows in found.items() if rows or k in ("others", "reached", "dense")}


def thinned(view: View, most: int) -> list[int]:
    """Indices of the trials beside the front, evenly over the search, ``most`` at most."""
    front = set(view.front)
    rest = [i for i in range(len(view.records)) if i not in front]
    if len(rest) <= most:
        return rest
    return [rest[i] for i in np.linspace(0, len(rest) - 1, most).astype(int)]


def others(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """All other trials, pale."""
    rows = thinned(view, DRAWN)
    return go.Scatter(
        x=view.values(x.name)[rows],
        y=view.values(y.name)[rows],
        mode="markers",
        name="other trials",
        marker={"color": PALE, "size": 5},
        text=[short_hover(view.records[i], view.shown) for i in rows],
        hovertemplate="%{text}<extra></extra>",
    )


def best_line(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """What was reached in these two objectives: the staircase from the best ``x`` on."""
    xs, ys = view.values(x.name), view.values(y.name)
    signs = [-1.0 if info.direction == "maximize" else 1.0 for info in (x, y)]
    points = np.stack([signs[0] * xs, signs[1] * ys], axis=1)
    best = np.flatnonzero(view.judged)[non_dominated(points[view.judged])]
    best = best[np.argsort(points[best, 0])]
    return go.Scatter(
        x=xs[best],
        y=ys[best],
        mode="lines",
        name="reached in this view",
        line={"shape": "hv", "color": FAINT, "width": 2},
        hoverinfo="skip",
    )


def front_points(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """The front, as far as it satisfies all constraints of the study."""
    return points(view, x, y, [i for i in view.front if view.admitted[i]], "front", FRONT)


def broken_points(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """The rest of the front, hollow."""
    rows = [i for i in view.front if not view.admitted[i]]
    return points(view, x, y, rows, "front, breaks a constraint", CLEAR)


def points(
    view: View, x: ObjectiveInfo, y: ObjectiveInfo, rows: list[int], name: str, colour: str
) -> go.Scatter:
    """Models of the front with their intervals; hover shows the plan."""
    return go.Scatter(
        x=view.values(x.name)[rows],
        y=view.values(y.name)[rows],
        error_x=error_bars(view, rows, x.name),
        error_y=error_bars(view, rows, y.name),
        mode="markers",
        name=name,
        marker={"color": colour, "size": 9, "line": {"color": FRONT, "width": 1.5}},
        text=[full_hover(view.records[i], view.shown) for i in rows],
        hovertemplate="%{text}<extra></extra>",
    )


def error_bars(view: View, rows: list[int], name: str) -> dict[str, object] | None:
    """95 % intervals where they were measured."""
    spans = [view.records[i].interval.get(name) for i in rows]
    if not any(spans):
        return None
    values = view.values(name)[rows]
    reach = [arms(span, v) for span, v in zip(spans, values.tolist(), strict=True)]
    return {
        "array": [up for _, up in reach],
        "arrayminus": [down for down, _ in reach],
        "color": WHISKER,
        "thickness": 1,
        "width": 0,
    }


def arms(span: tuple[float, float] | None, value: float) -> tuple[float, float]:
    """How far an interval goes down and up from its value; nowhere where one is not finite."""
    if span is None or not np.isfinite([*span, value]).all():
        return 0.0, 0.0
    return value - span[0], span[1] - value


def dense_point(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """The model that all others came from."""
    values = view.record.dense.values
    text = "<br>".join(f"{o.name} {number(values[o.name])}" for o in view.shown)
    return go.Scatter(
        x=[values[x.name]],
        y=[values[y.name]],
        mode="markers",
        name="dense",
        marker={"color": DENSE, "size": 14, "symbol": "star"},
        hovertemplate=f"<b>dense model</b><br>{text}<extra></extra>",
    )


def suggested_point(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """A ring around the trial that ``pick`` takes when it is told nothing."""
    assert view.pick is not None
    record = view.records[view.pick]
    return go.Scatter(
        x=[record.values[x.name]],
        y=[record.values[y.name]],
        mode="markers",
        name=f"pick takes this: trial {record.number}",
        marker={"color": PICK, "size": 16, "symbol": "circle-open", "line": {"width": 2.5}},
        hoverinfo="skip",
    )


def taken_points(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> go.Scatter:
    """Squares around the trials that were picked."""
    rows = list(view.taken)
    return go.Scatter(
        x=view.values(x.name)[rows],
        y=view.values(y.name)[rows],
        mode="markers",
        name=taken_name(view),
        marker={"color": PICK, "size": 20, "symbol": "square-open", "line": {"width": 2}},
        hoverinfo="skip",
    )


def taken_name(view: View) -> str:
    """What the trials that were picked are called in a legend."""
    return f"picked: trial {', '.join(str(view.records[i].number) for i in view.taken)}"


def limit_shapes(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> list[dict[str, Any]]:
    """The study's constraints on the two objectives, as dotted lines."""
    goal = view.record.goal()
    place = "start" if x.direction == "minimize" else "end"  # dense is at the other end
    found = []
    for constraint in goal.constraints:
        bound = constraint.bound(goal.dense)
        ends: dict[str, Any] = {"x0": bound, "x1": bound, "y0": 0, "y1": 1, "yref": "paper"}
        if constraint.objective == y.name:
            ends = {"y0": bound, "y1": bound, "x0": 0, "x1": 1, "xref": "paper"}
        elif constraint.objective != x.name:
            continue
        label = {"text": str(constraint), "textposition": place, "font": {"color": LIMIT}}
        line = {"color": LIMIT, "width": 1.5, "dash": "dot"}
        found.append({"type": "line", "line": line, "label": label, **ends})
    return found
