"""Which decisions mattered: global and local parameters by their importance."""

from __future__ import annotations

import html
import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import optuna
import plotly.graph_objects as go
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial

from ..run_record import RunRecord
from .theme import base_layout, heat_height
from .view import View

ENOUGH = 20
"""Trials below which importances would be guesses."""
LOOKED_AT = 1000
"""Trials at most; taken evenly over the search where there are more."""
BEST = 0.1
"""Share of the trials that a parameter is to explain."""
SHOWN = 40
"""Parameters in the figure at most, the most important ones."""

FRONT = "the front"


def importance_figure(view: View) -> go.Figure | None:
    """Parameters against objectives; ``None`` where there are too few trials.

    PED-ANOVA for conditional spaces (Watanabe et al. 2023, arXiv:2304.10255; arXiv:2601.20800):
    how much the choice of a parameter decides whether a trial is among the best tenth.
    """
    table = importances(view.record, [t for t in view.trials if t.user_attrs["rung"] == 0])
    if not table:
        return None
    names = sorted(
        dict.fromkeys(n for column in table.values() for n in column),
        key=lambda n: -max(column.get(n, 0.0) for column in table.values()),
    )[:SHOWN]
    shares = np.array([[c.get(n, np.nan) for c in table.values()] for n in names])
    figure = go.Figure(layout=base_layout(height=heat_height(len(names))))
    figure.add_heatmap(
        z=shares,
        x=list(table),
        y=[html.escape(words(n, alone=len(view.record.space.granularities) == 1)) for n in names],
        zmin=0,
        zmax=float(np.nanmax(shares)),
        colorscale="Blues",
        xgap=2,
        ygap=1,
        texttemplate="%{z:.0%}",
        showscale=False,
        hovertemplate="<b>%{y}</b> for %{x}<br>%{z:.1%} of the importance<extra></extra>",
        hoverongaps=False,
    )
    figure.update_yaxes(autorange="reversed", type="category", automargin=True, ticks="")
    figure.update_xaxes(type="category", automargin=True, ticks="")
    return figure


def importances(record: RunRecord, trials: Sequence[FrozenTrial]) -> dict[str, Mapping[str, float]]:
    """Share of the importance of every parameter, for the front and for every objective.

    Empty where there are fewer than :data:`ENOUGH` trials or nothing was chosen.
    """
    if len(trials) < ENOUGH or not any(t.params for t in trials):
        return {}
    study = thinned_study(record, trials)
    targets: dict[str, Callable[[FrozenTrial], float] | None] = {FRONT: None}
    for i, info in enumerate(record.objectives):
        targets[info.name] = signed(i, -1.0 if info.direction == "maximize" else 1.0)
    if len(record.objectives) == 1:
        del targets[FRONT]
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few trials, and what optuna calls experimental
        for name, target in targets.items():
            evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST)
            found[name] = get_param_importances(study, evaluator=evaluator, target=target)
    return {k: v for k, v in found.items() if sum(v.values()) > 0}


def signed(index: int, sign: float) -> Callable[[FrozenTrial], float]:
    """One objective's value, to be minimised."""
    return lambda trial: sign * trial.values[index]


def thinned_study(record: RunRecord, trials: Sequence[FrozenTrial]) -> optuna.Study:
    """The trials in memory, evenly thinned."""
    rows = np.unique(np.linspace(0, len(trials) - 1, min(LOOKED_AT, len(trials))).astype(int))
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=list(record.directions.values()))
    optuna.logging.set_verbosity(verbosity)
    study.add_trials([trials[i] for i in rows])
    return study


def words(name: str, *, alone: bool = False) -> str:
    """A parameter for people; its granularity is left out where there is but one.

    >>> words("channel.density"), words("channel.layer:conv1", alone=True), words("granularity")
    ('channel: global density', 'offset of layer conv1', 'granularity')
    """
    granularity, dot, rest = name.partition(".")
    if not dot:
        return name
    kind, _, place = rest.partition(":")
    if place:
        text = f"density of {place}" if kind == "density" else f"offset of {kind} {place}"
    else:
        text = {"density": "global density", "local": "depth of offsets"}.get(kind, kind)
    return text if alone else f"{granularity}: {text}"
