import numpy as np
import pytest

from hierprune.studies.report.density_figure import density_figures
from hierprune.studies.report.view import View


def test_cells_are_the_densities_of_the_front(make_study):
    view = View.of(make_study())
    (heat,) = density_figures(view)["channel"].data
    by_number = {f"{r.number}": r for r in view.records}
    assert len(heat.x) == len(view.front)
    layers = [row[0] for row in heat.customdata]
    for column, trial in enumerate(heat.x):
        expected = [by_number[trial].plan["density"][layer] for layer in layers]
        assert np.array(heat.z)[:, column] == pytest.approx(expected, rel=1e-6)
    ratios = [by_number[trial].plan["ratio"] for trial in heat.x]
    assert ratios == sorted(ratios)


def test_rows_are_layers_in_the_models_own_order(make_study):
    view = View.of(make_study(groups=10))
    heat = density_figures(view)["channel"].data[0]
    assert list(heat.y) == list(range(10))
    assert [row[0] for row in heat.customdata] == [g.name for g in view.tree.groups]


def test_without_a_tree_the_plans_give_the_order(make_study):
    study = make_study(groups=10)
    (study.run / "cache" / "tree.json").unlink()
    figure = density_figures(View.of(study))["channel"]
    assert len(figure.data[0].y) == 10
