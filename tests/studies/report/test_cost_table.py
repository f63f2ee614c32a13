"""What the search cost."""

from hierprune.studies.report.cost_table import costs
from hierprune.studies.report.view import View


def test_time_by_rung_and_step(make_study):
    table = costs(View.of(make_study(trials=10, failures=2)))
    heads = ["rung", "trials", "cut, a trial", "recover, a trial", "measure, a trial"]
    assert table.heads == [*heads, "a trial", "all"]
    assert table.rows[0] == ["0", "10", "200 ms", "2.0 s", "800 ms", "3.0 s", "30.0 s"]
    assert table.rows[1][:2] == ["failed", "2"]


def test_nothing_before_the_first_trial(make_study):
    assert costs(View.of(make_study(trials=0))) is None
