"""Every two measured numbers as the axes of the front: what the page needs to change them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..run_record import ObjectiveInfo
from .axes import Scale
from .front_figure import best_line, error_bars, limit_shapes, roles
from .view import View
from .words import title

DIGITS = 6
"""Significant ones of every coordinate."""


def choices(view: View) -> dict[str, Any]:
    """Values by axis for every trace of the front figure, in the order of its traces.

    ``axes``: by name ``title``, ``layout`` and, by trace, ``values`` and ``errors`` (null for the
    line of what was reached); ``views``: by ``"y, x"`` the line's ``x`` and ``y``, and ``shapes``.
    """
    infos = [o for o in view.record.measured if np.isfinite(view.values(o.name)).any()]
    views = {
        f"{y.name}, {x.name}": {
            "line": line_of(view, x, y),
            "shapes": limit_shapes(view, x, y),
        }
        for x, y in permutations(infos, 2)
    }
    return {"axes": {info.name: axis_of(view, info) for info in infos}, "views": views}


def axis_of(view: View, info: ObjectiveInfo) -> dict[str, Any]:
    """One measured number as either axis; ``null`` in the place of the line."""
    values: list[list[float | None] | None] = []
    errors: list[dict[str, object] | None] = []
    for role, rows in roles(view).items():
        column = rounded(view.values(info.name)[rows])
        dense: list[float | None] = [view.record.dense.values[info.name]]
        values.append({"reached": None, "dense": dense}.get(role, column))
        bars = role in ("front", "broken")
        errors.append(error_bars(view, rows, info.name) if bars else None)
    layout = Scale.of(view, info).layout()
    return {"title": title(info), "layout": layout, "values": values, "errors": errors}


def line_of(view: View, x: ObjectiveInfo, y: ObjectiveInfo) -> dict[str, list[float | None]]:
    """The staircase of what was reached in two numbers."""
    line = best_line(view, x, y)
    return {"x": rounded(line.x), "y": rounded(line.y)}


def rounded(values: NDArray[np.float64]) -> list[float | None]:
    """Short numbers; null for what is not finite."""
    return [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in values]
