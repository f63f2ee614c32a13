"""Every pair of axes gives the figure that is drawn for it."""

import numpy as np
import pytest

from hierprune.studies.report.choices import choices
from hierprune.studies.report.front_figure import front_figure
from hierprune.studies.report.view import View


@pytest.mark.parametrize(
    "pair", [("params", "loss"), ("accuracy", "latency"), ("macs", "accuracy")]
)
@pytest.mark.parametrize("where", [("accuracy >= dense - 0.01",), ("params < 0",), ()])
def test_an_axis_holds_what_the_figure_draws(make_study, pair, where):
    view = View.of(make_study(where=where))
    infos = {o.name: o for o in view.record.measured}
    y, x = (infos[name] for name in pair)
    offered = choices(view)
    chosen = offered["views"][", ".join(pair)]
    figure = front_figure(view, x, y)
    for name, axis, line in ((x.name, "x", "x"), (y.name, "y", "y")):
        column = offered["axes"][name]
        for i, trace in enumerate(figure.data):
            values = chosen["line"][line] if column["values"][i] is None else column["values"][i]
            assert np.allclose(values, trace[axis], rtol=1e-5)
            bars = trace[f"error_{axis}"].array
            assert (column["errors"][i] is None) == (bars is None)
    assert len(chosen["shapes"]) == len(figure.layout.shapes)
