"""All figures of a report, by name."""

from __future__ import annotations

from itertools import combinations

import plotly.graph_objects as go

from ..study import Study
from .density_figure import density_figures
from .front_figure import front_figure
from .progress_figure import progress_figures
from .space_figure import space_figure
from .view import View


def figures(study: Study) -> dict[str, go.Figure]:
    """The figures of a study, empty while no trial is complete.

    ``front: Y, X`` for every two objectives, the first quality against each other one first;
    ``front: 3-d`` where there are three or more; ``hypervolume: trials`` and ``hypervolume:
    time``; ``densities: GRANULARITY``. All scores in them are of the validation split.
    """
    return draw(View.of(study))


def draw(view: View) -> dict[str, go.Figure]:
    """The figures of a study that was read before."""
    if not view.records:
        return {}
    found = {
        f"front: {y.name}, {x.name}": front_figure(view, x, y)
        for y, x in combinations(view.shown, 2)
    }
    if len(view.objectives) >= 3:
        found["front: 3-d"] = space_figure(view)
    found |= {f"hypervolume: {k}": f for k, f in progress_figures(view).items()}
    return found | {f"densities: {k}": f for k, f in density_figures(view).items()}
