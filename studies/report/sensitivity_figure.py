"""What every layer's thinning alone costs in loss."""

from __future__ import annotations

import html

import numpy as np
import plotly.graph_objects as go

from ...pruners.profile import Profile
from .layer_axis import label_rows
from .theme import base_layout, heat_height
from .view import View

DECADES = 4
"""Rises below ten to minus this of the highest are drawn alike."""


def sensitivity_figures(view: View) -> dict[str, go.Figure]:
    """A heat map for every profile that was measured."""
    return {
        f"{granularity}, {criterion}": sensitivity_figure(view, granularity, profile)
        for (granularity, criterion), profile in view.profiles.items()
    }


def sensitivity_figure(view: View, granularity: str, profile: Profile) -> go.Figure:
    """Layers in the model's own order against the density of that layer alone."""
    assert view.tree is not None
    names = [g.name for g in view.tree.units(granularity)]
    rise = np.where(np.isfinite(profile.rise), profile.rise, np.nan)[:, 1:]
    top = float(np.nanmax(rise, initial=1e-12)) or 1e-12
    low = np.log10(top) - DECADES
    figure = go.Figure(layout=base_layout(height=heat_height(len(names))))
    rows = zip(names, profile.rise[:, 1:], strict=True)
    hover = [[(html.escape(name), f"{r:.3g}") for r in row] for name, row in rows]
    ticks = np.arange(np.ceil(low), np.log10(top) + 1e-9)
    figure.add_heatmap(
        z=np.log10(np.maximum(rise, 10**low)),
        customdata=hover,
        x=[f"{d:.0%}" for d in profile.densities[1:]],
        y=list(range(len(names))),
        zmin=low,
        zmax=np.log10(top),
        colorscale="Reds",
        xgap=1,
        ygap=1,
        colorbar={
            "tickvals": ticks,
            "ticktext": [f"{10**t:g}" for t in ticks],
            "thickness": 10,
            "len": 1,
            "outlinewidth": 0,
        },
        hovertemplate="<b>%{customdata[0]}</b> alone at %{x}<br>loss + %{customdata[1]}"
        "<extra></extra>",
        hoverongaps=False,
    )
    label_rows(figure, view, granularity, names)
    figure.update_xaxes(
        type="category",
        title={"text": "density of this layer, all others dense"},
        automargin=True,
        ticks="",
    )
    return figure
