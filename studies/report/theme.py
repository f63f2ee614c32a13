"""The look of the figures: mid tones that read on light and on dark paper.

Text and grid take their colours from the page, which knows the reader's scheme.
"""

from __future__ import annotations

import plotly.graph_objects as go

FRONT = "#2a7fd4"
DENSE = "#e07b39"
PICK = "#d6336c"
LIMIT = "#c0392b"
PALE = "rgba(128, 138, 150, 0.35)"
FAINT = "rgba(42, 127, 212, 0.35)"
WHISKER = "rgba(42, 127, 212, 0.22)"
EDGE = "rgba(128, 138, 150, 0.9)"
CLEAR = "rgba(0, 0, 0, 0)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def base_layout(height: int = 480) -> go.Layout:
    """What all figures share."""
    return go.Layout(
        height=height,
        margin={"l": 60, "r": 16, "t": 34, "b": 52},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"family": FONT, "size": 13},
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom"},
        modebar={"bgcolor": CLEAR},
        hoverlabel={"align": "left", "font": {"family": FONT, "size": 13}},
        template="none",
    )


ROW = 20  # pixels
MOST = 1400


AROUND = 130  # pixels above and below the rows


def heat_height(rows: int) -> int:
    """Height of a heat map with that many rows, in pixels."""
    return min(MOST, AROUND + max(ROW * rows, 120))


def heat_rows() -> int:
    """How many rows of a heat map can be named."""
    return (MOST - AROUND) // ROW
