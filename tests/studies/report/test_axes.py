import numpy as np
import pytest

from hierprune.studies.report.axes import Scale, worth_seeing
from hierprune.studies.report.view import View


def test_first_view_holds_dense_constraints_and_the_good_part_of_the_front(make_study):
    view = View.of(make_study(trials=150))
    for info in view.objectives:
        scale = Scale.of(view, info)
        values = view.values(info.name)[worth_seeing(view)]
        assert scale.low < values.min()
        assert values.max() < scale.high
        assert scale.low < view.record.dense.values[info.name] < scale.high
    assert Scale.of(view, view.objectives[0]).low < 0.984 - 0.01


def test_the_collapsed_end_of_the_front_is_out_of_the_first_view(make_study):
    view = View.of(make_study(trials=150))
    column = view.points[:, 0]
    assert column[worth_seeing(view)].max() <= 0.25 < column[list(view.front)].max()


def test_wide_costs_are_logarithmic(make_study):
    view = View.of(make_study(trials=150, objectives=("accuracy", "params"), where=()))
    layout = Scale.of(view, view.objectives[1]).layout()
    scale = Scale.of(view, view.objectives[1])
    assert layout["type"] == ("log" if scale.log else "linear")
    expected = np.log10([scale.low, scale.high]) if scale.log else [scale.low, scale.high]
    assert layout["range"] == pytest.approx(list(expected))
