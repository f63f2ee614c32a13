import plotly.graph_objects as go

from hierprune.studies.report import figures


def test_three_objectives(make_study):
    found = figures(make_study())
    assert list(found) == [
        "front: accuracy, latency",
        "front: accuracy, compression",
        "front: latency, compression",
        "front: 3-d",
        "hypervolume: trials",
        "hypervolume: time",
        "densities: channel",
        "sensitivities: channel, activation",
        "importance: parameters",
    ]
    assert all(isinstance(f, go.Figure) for f in found.values())


def test_one_and_two_objectives(make_study):
    two = figures(make_study("two", objectives=("accuracy", "params"), where=()))
    assert [n for n in two if n.startswith("front")] == ["front: accuracy, params"]
    one = figures(make_study("one", objectives=("accuracy",), where=()))
    assert [n for n in one if n.startswith("front")] == ["front: accuracy, latency"]


def test_nothing_to_draw_before_the_first_trial(make_study):
    assert figures(make_study(trials=0, failures=2)) == {}
