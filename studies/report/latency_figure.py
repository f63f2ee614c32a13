"""The latency that trials knew against the one that was confirmed."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from .axes import padded
from .theme import FAINT, FRONT, LIMIT, base_layout
from .view import View
from .words import percent


def latency_figure(view: View) -> go.Figure | None:
    """Confirmed against known milliseconds; ``None`` where nothing is confirmed."""
    dense = view.record.dense.values.get("latency")
    rows = [
        (t.number, t.user_attrs["outcome"]["values"]["latency"], view.confirmed[t.number])
        for t in view.trials
        if t.number in view.confirmed and "latency" in t.user_attrs["outcome"]["values"]
    ]
    if dense is None or not rows:
        return None
    known = np.array([value for _, value, _ in rows])
    found = dense * np.array([(c.ratio, c.low, c.high) for _, _, c in rows])
    seen = [*known, *found[:, 0], dense]  # intervals may be far wider
    ends = list(padded(float(min(seen)), float(max(seen)), log=False))
    error = percent(median_error(known, found[:, 0]))
    figure = go.Figure(layout=base_layout(height=420))
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="no error", line={"color": FAINT}, hoverinfo="skip"
    )
    figure.add_scatter(
        x=known,
        y=found[:, 0],
        error_y={
            "array": found[:, 2] - found[:, 0],
            "arrayminus": found[:, 0] - found[:, 1],
            "color": FAINT,
            "thickness": 1,
            "width": 0,
        },
        mode="markers",
        name=f"models of the front, median error {error}",
        marker={"color": FRONT, "size": 9},
        text=[f"trial {n}" for n, _, _ in rows],
        hovertemplate="<b>%{text}</b><br>trial %{x:.4g} ms<br>confirmed %{y:.4g} ms<extra></extra>",
    )
    line = {"color": LIMIT, "width": 1.5, "dash": "dot"}
    label = {"text": "dense", "textposition": "start", "yanchor": "top", "font": {"color": LIMIT}}
    ends_of_line = {"x0": 0, "x1": 1, "xref": "paper", "y0": dense, "y1": dense}
    figure.add_shape(type="line", line=line, label=label, **ends_of_line)
    axis = {"zeroline": False, "automargin": True, "range": ends}
    figure.update_xaxes(title={"text": "latency in the trial [ms]"}, **axis)
    figure.update_yaxes(title={"text": "confirmed latency [ms]"}, **axis)
    return figure


def median_error(known: np.ndarray, found: np.ndarray) -> float:
    """Median of the relative errors of what was known."""
    return float(np.median(np.abs(known / found - 1)))
