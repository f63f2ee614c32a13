from dataclasses import replace

from hierprune.studies.report.headline import findings
from hierprune.studies.report.view import View


def test_the_best_cost_is_that_of_a_model_as_good_as_dense(make_study):
    view = View.of(make_study(trials=80))
    pick, fastest, smallest = findings(view)
    assert pick.trial == view.records[view.pick].number
    good = [r for r in view.records if r.values["accuracy"] >= 0.979]
    assert fastest.trial == min(good, key=lambda r: r.values["latency"]).number
    assert smallest.trial == max(good, key=lambda r: r.values["compression"]).number
    assert "dense 0.9840" in fastest.text
    assert "accuracy >= dense - 0.01" in pick.text


def test_what_was_not_found_is_said(make_study):
    view = View.of(make_study(where=("accuracy >= dense * 2",)))
    bad = tuple(replace(r, values=r.values | {"accuracy": 0.2}) for r in view.records)
    none, as_good = findings(replace(view, records=bad))
    assert (none.trial, as_good.trial) == (None, None)
    assert "accuracy >= dense * 2.0" in none.text or "accuracy >= dense * 2" in none.text
    assert "0.9790" in as_good.text


def test_a_latency_whose_interval_holds_dense_is_no_win(make_study):
    view = View.of(make_study())
    text = findings(view)[0].text
    assert "within noise" not in text
    blurred = tuple(replace(r, interval={"latency": (0.1, 3.0)}) for r in view.records)
    assert "latency" in (text := findings(replace(view, records=blurred))[0].text)
    assert "within noise of dense" in text
