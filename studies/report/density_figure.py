"""What the front keeps of every layer."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from ...search.history import Record
from .layer_axis import label_rows
from .theme import base_layout, heat_height
from .view import View


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
    figure = go.Figure(layout=base_layout(height=heat_height(len(rows))))
    figure.add_heatmap(
        z=np.array(density, np.float32),
        x=[f"{r.number}" for r in columns],
        y=list(range(len(rows))),
        customdata=np.array([[html.escape(g)] * len(columns) for g in rows]),
        zmin=0,
        zmax=1,
        colorscale="Viridis",
        xgap=1 if len(columns) <= 80 else 0,
        ygap=1,
        colorbar={"tickformat": ".0%", "thickness": 10, "len": 1, "outlinewidth": 0},
        hovertemplate="<b>%{customdata}</b><br>trial %{x}<br>%{z:.1%} kept<extra></extra>",
    )
    label_rows(figure, view, granularity, rows)
    figure.update_xaxes(
        type="category", title={"text": "trial, by ratio removed"}, automargin=True, ticks=""
    )
    return figure


def layers(view: View, granularity: str, columns: list[Record]) -> list[str]:
    """Groups in the order of the forward pass, else in the order of the plans."""
    named = dict.fromkeys(g for r in columns for g in r.plan["density"])
    known = [] if view.tree is None else [g.name for g in view.tree.units(granularity)]
    return list(dict.fromkeys([*(g for g in known if g in named), *named]))
