"""Known against confirmed latency."""

import pytest

from hierprune.studies.confirmation import Confirmation, Confirmed
from hierprune.studies.report.latency_figure import latency_figure
from hierprune.studies.report.view import View


def test_confirmed_models_stand_at_both_times(make_study):
    study = make_study()
    numbers = {r.number for r in study.front_records()}
    found = {n: Confirmed(0.5, 0.4, 0.7, 9) for n in numbers}
    Confirmation(study.record.latency.setting, found).save(study.run)
    study.reread()
    figure = latency_figure(View.of(study))
    points = figure.data[1]
    raw = [
        t.user_attrs["outcome"]["values"]["latency"] for t in study.frozen() if t.number in numbers
    ]
    assert sorted(points.x) == sorted(raw)
    assert list(points.y) == pytest.approx([0.5 * 2.4] * len(numbers))
    assert points.error_y.array == pytest.approx([0.2 * 2.4] * len(numbers))
    assert points.error_y.arrayminus == pytest.approx([0.1 * 2.4] * len(numbers))


def test_a_wide_interval_does_not_stretch_the_axes(make_study):
    study = make_study()
    found = {r.number: Confirmed(0.5, 0.1, 40.0, 2) for r in study.front_records()}
    Confirmation(study.record.latency.setting, found).save(study.run)
    study.reread()
    figure = latency_figure(View.of(study))
    assert figure.layout.yaxis.range[1] < 3
    assert figure.layout.xaxis.range == figure.layout.yaxis.range


def test_without_a_confirmation_there_is_no_figure(make_study):
    assert latency_figure(View.of(make_study())) is None
