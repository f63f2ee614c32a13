"""Known against confirmed latency."""

import json

import pytest

from hierprune.studies.report.latency_figure import latency_figure
from hierprune.studies.report.view import View


def test_confirmed_models_stand_at_both_times(make_study):
    study = make_study()
    trials = {str(r.number): {"ratio": 0.5, "low": 0.4, "high": 0.7} for r in study.front_records()}
    file = study.run / "confirmed.json"
    file.write_text(json.dumps({"setting": {}, "created": "", "trials": trials}))
    figure = latency_figure(View.of(study))
    points = figure.data[1]
    raw = [
        t.user_attrs["outcome"]["values"]["latency"]
        for t in study.frozen()
        if str(t.number) in trials
    ]
    assert sorted(points.x) == sorted(raw)
    assert list(points.y) == pytest.approx([0.5 * 2.4] * len(trials))
    assert points.error_y.array == pytest.approx([0.2 * 2.4] * len(trials))
    assert points.error_y.arrayminus == pytest.approx([0.1 * 2.4] * len(trials))


def test_without_a_confirmation_there_is_no_figure(make_study):
    study = make_study()
    assert latency_figure(View.of(study)) is None
    (study.run / "confirmed.json").write_text("{")
    assert latency_figure(View.of(study)) is None
