"""Which parameters mattered."""

import pytest

from hierprune.studies.report.importance_figure import importance_figure, importances
from hierprune.studies.report.view import View


def test_the_density_decides_the_costs_and_shares_sum_to_one(make_study):
    view = View.of(make_study(trials=200))
    table = importances(view.record, view.trials)
    assert list(table) == ["the front", "accuracy", "latency", "compression"]
    for column in table.values():
        assert sum(column.values()) == pytest.approx(1)
    assert table["compression"]["channel.density"] > 0.8
    (heat,) = importance_figure(view).data
    assert set(heat.y) == {"global density", "allocation"}


def test_few_trials_tell_nothing(make_study):
    assert importance_figure(View.of(make_study(trials=19))) is None


def test_one_objective_has_no_front_of_its_own(make_study):
    view = View.of(make_study(objectives=("accuracy",), where=()))
    assert list(importances(view.record, view.trials)) == ["accuracy"]
