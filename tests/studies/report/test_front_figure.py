import numpy as np
import pytest

from hierprune.studies.picks import note_pick
from hierprune.studies.report.front_figure import DRAWN, front_figure, thinned
from hierprune.studies.report.front_table import rows
from hierprune.studies.report.view import View


def traces(view, x=1, y=0):
    figure = front_figure(view, view.shown[x], view.shown[y])
    return figure, {t.name: t for t in figure.data}


def test_every_front_model_is_drawn_once_with_its_values(make_study):
    view = View.of(make_study())
    _, found = traces(view)
    xs = [*found["front"].x, *found["front, breaks a constraint"].x]
    assert sorted(xs) == sorted(view.values("latency")[list(view.front)])
    assert all(y >= 0.984 - 0.01 - 1e-9 for y in found["front"].y)
    assert all(y < 0.984 - 0.01 for y in found["front, breaks a constraint"].y)
    assert len(found["other trials"].x) == len(view.records) - len(view.front)


def test_intervals_dense_and_pick(make_study):
    view = View.of(make_study())
    figure, found = traces(view)
    assert found["front"].error_y.array == pytest.approx([0.004] * len(found["front"].x))
    assert (found["dense"].x, found["dense"].y) == ((2.4,), (0.984,))
    pick = view.records[view.pick]
    assert found[f"pick takes this: trial {pick.number}"].y == (pick.values["accuracy"],)
    (line,) = figure.layout.shapes
    assert line.y0 == line.y1 == pytest.approx(0.974)
    assert line.label.text == "accuracy >= dense - 0.01"


def test_the_line_is_the_best_that_was_reached(make_study):
    view = View.of(make_study())
    _, found = traces(view)
    line = found["reached in this view"]
    xs, ys = view.values("latency"), view.values("accuracy")
    for x, y in zip(line.x, line.y, strict=True):
        assert ys[xs <= x].max() == y
    assert np.all(np.diff(line.x) > 0)


def test_a_limit_on_the_horizontal_axis_stands_upright(make_study):
    view = View.of(make_study(where=("latency <= dense * 0.5", "loss <= 1")))
    figure, _ = traces(view)
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (pytest.approx(1.2), pytest.approx(1.2))


def test_many_trials_are_thinned_over_the_whole_search(make_study):
    view = View.of(make_study(trials=300))
    rest = thinned(view, 50)
    assert len(rest) == 50
    assert not set(rest) & set(view.front)
    assert rest[0] < 20
    assert rest[-1] > 280
    assert len(thinned(view, DRAWN)) == 300 - len(view.front)


def test_trials_that_were_picked_are_marked(make_study, tmp_path):
    study = make_study()
    for number in (3, 5):
        note_pick(study.run, number, tmp_path)
    view = View.of(study)
    _, found = traces(view)
    assert sorted(found["picked: trial 3, 5"].y) == sorted(
        r.values["accuracy"] for r in view.records if r.number in (3, 5)
    )
    marks = {row.cells[0].text: row.mark for row in rows(view)}
    assert (marks["3"], marks["5"], marks["dense"]) == ("taken", "taken", "dense")
