"""All figures of a report, by name."""

from __future__ import annotations

from itertools import combinations

import plotly.graph_objects as go

from ..study import Study
from .density_figure import density_figures
from .front_figure import front_figure
from .importance_figure import importance_figure
from .latency_figure import latency_figure
from .progress_figure import progress_figures
from .sensitivity_figure import sensitivity_figures
from .space_figure import space_figure
from .view import View


def figures(study: Study) -> dict[str, go.Figure]:
    """The figures of a study, empty while no trial is complete.

    ``front: Y, X`` for every two objectives, the first quality against each other one first;
    ``front: 3-d`` where there are three or more; ``hypervolume: trials`` and ``hypervolume:
    time``; ``densities: GRANULARITY``; ``sensitivities: GRANULARITY, CRITERION`` where they were
    measured; ``importance: parameters`` where there are enough trials; ``latency: confirmed``
    where it was. All scores in them are of the validation split.
    """
    view = View.of(study)
    if not view.records:
        return {}
    fronts = {
        f"front: {y.name}, {x.name}": front_figure(view, x, y)
        for y, x in combinations(view.shown, 2)
    }
    return fronts | other_figures(view)


def other_figures(view: View) -> dict[str, go.Figure]:
    """All but the front in two objectives; there must be a complete trial."""
    found: dict[str, go.Figure] = {}
    if len(view.objectives) >= 3:
        found["front: 3-d"] = space_figure(view)
    found |= {f"hypervolume: {k}": f for k, f in progress_figures(view).items()}
    found |= {f"densities: {k}": f for k, f in density_figures(view).items()}
    found |= {f"sensitivities: {k}": f for k, f in sensitivity_figures(view).items()}
    optional = {
        "importance: parameters": importance_figure(view),
        "latency: confirmed": latency_figure(view),
    }
    return found | {name: figure for name, figure in optional.items() if figure is not None}
