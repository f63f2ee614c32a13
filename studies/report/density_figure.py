"""What the front keeps of every layer."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from ...search.history import Record
from .theme import base_layout
from .view import View

ROW = 20  # pixels
MOST = 1400


def density_figures(view: View) -> dict[str, go.Figure]:
    """A heat map for every granularity that the front uses."""
    front = [view.records[i] for i in view.front]
    found = dict.fromkeys(r.plan["granularity"] for r in front)
    return {g: density_figure(view, g) for g in found}


def density_figure(view: View, granularity: str) -> go.Figure:
    """Layers in the model's own order against the front, the largest model first."""
    front = [view.records[i] for i in view.front]
    columns = sorted(
        (r for r in front if r.plan["granularity"] == granularity),
        key=lambda r: (r.plan["ratio"], r.number),
    )
    rows = layers(view, granularity, columns)
    density = [[r.plan["density"].get(g, 1.0) for r in columns] for g in rows]
    height = min(MOST, 130 + max(ROW * len(rows), 120))
    figure = go.Figure(layout=base_layout(height=height))
    figure.add_heatmap(
        z=np.array(density, np.float32),
        x=[f"{r.number}" for r in columns],
        y=[html.escape(g) for g in rows],
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        xgap=1 if len(columns) <= 80 else 0,
        ygap=1,
        colorbar={"tickformat": ".0%", "thickness": 10, "len": 1, "outlinewidth": 0},
        hovertemplate="<b>%{y}</b><br>trial %{x}<br>%{z:.1%} kept<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, ticks="")
    figure.update_xaxes(
        type="category", title={"text": "trial, by ratio removed"}, automargin=True, ticks=""
    )
    mark_stages(figure, view, granularity, rows)
    return figure


def layers(view: View, granularity: str, columns: list[Record]) -> list[str]:
    """Groups in the order of the forward pass, else in the order of the plans."""
    named = dict.fromkeys(g for r in columns for g in r.plan["density"])
    known = [] if view.tree is None else [g.name for g in view.tree.units(granularity)]
    return list(dict.fromkeys([*(g for g in known if g in named), *named]))


def mark_stages(figure: go.Figure, view: View, granularity: str, rows: list[str]) -> None:
    """A gap between the stages."""
    if view.tree is None:
        return
    stage = {g.name: g.stage for g in view.tree.units(granularity)}
    for i in range(1, len(rows)):
        if stage.get(rows[i]) != stage.get(rows[i - 1]):
            ends = {"x0": 0, "x1": 1, "xref": "paper", "y0": i - 0.5, "y1": i - 0.5}
            figure.add_shape(type="line", name="stage", line={"width": 3}, **ends)
