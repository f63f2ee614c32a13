import pytest

from hierprune.studies.report.view import View


def test_front_pick_and_counts_are_the_studys(make_study):
    study = make_study()
    view = View.of(study)
    front = [r.number for r in study.front_records()]
    assert [view.records[i].number for i in view.front] == front
    assert view.records[view.pick].number == study.choose().number
    assert view.counts == study.counts()
    assert len(view.failed) == 3
    assert view.tree is not None


def test_no_pick_where_constraints_cannot_hold(make_study):
    view = View.of(make_study(where=("accuracy >= dense * 2",)))
    assert view.pick is None
    assert not view.admitted.any()


def test_a_missing_or_damaged_cache_costs_the_tree_only(make_study):
    study = make_study()
    (study.run / "cache" / "tree.json").write_text("{")
    assert View.of(study).tree is None
    (study.run / "cache" / "tree.json").unlink()
    view = View.of(study)
    assert view.tree is None
    assert len(view.records) == 40


@pytest.mark.parametrize(
    ("objectives", "shown"),
    [
        (("latency", "accuracy"), ["accuracy", "latency"]),
        (("accuracy",), ["accuracy", "latency"]),
        (("params", "macs"), ["params", "macs"]),
    ],
)
def test_the_first_quality_is_shown_first(make_study, objectives, shown):
    view = View.of(make_study(objectives=objectives, where=()))
    assert [o.name for o in view.shown] == shown
