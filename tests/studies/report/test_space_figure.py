import pytest

from hierprune.studies.report.space_figure import space_figure
from hierprune.studies.report.view import View


def test_points_lie_in_the_box_and_constraints_are_planes(make_study):
    view = View.of(make_study(trials=120))
    figure = space_figure(view)
    found = {t.name: t for t in figure.data}
    plane = found["accuracy >= dense - 0.01"]
    assert list(plane.z) == pytest.approx([0.974] * 4)
    low, high = figure.layout.scene.zaxis.range
    for name in ("front", "other trials"):
        assert len(found[name].z) > 0
        assert all(low <= z <= high for z in found[name].z)
    assert found["dense"].x == (2.4,)
    assert figure.layout.scene.xaxis.title.text == "latency [ms] ↓"


def test_models_that_break_a_constraint_are_hollow(make_study):
    view = View.of(make_study(trials=120))
    front = next(t for t in space_figure(view).data if t.name == "front")
    for z, symbol in zip(front.z, front.marker.symbol, strict=True):
        assert symbol == ("circle" if z >= 0.974 else "circle-open")
