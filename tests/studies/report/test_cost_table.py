"""What the search cost."""

import torch

from hierprune.objectives.packing import load_state, save_state
from hierprune.studies.prepare import profile_file
from hierprune.studies.report.cost_table import costs
from hierprune.studies.report.view import View


def test_time_by_rung_and_step(make_study):
    table = costs(View.of(make_study(trials=10, failures=2)))
    heads = ["rung", "trials", "cut, a trial", "recover, a trial", "measure, a trial"]
    assert table.heads == [*heads, "a trial", "all"]
    assert table.rows[0] == ["0", "10", "200 ms", "2.0 s", "800 ms", "3.0 s", "30.0 s"]
    assert table.rows[1][:2] == ["failed", "2"]


def test_sensitivities_as_trials(make_study):
    study = make_study(trials=10)
    file = profile_file(study.run / "cache", "channel", "activation")
    save_state(load_state(file) | {"seconds": torch.tensor(45.0)}, file)
    row = costs(View.of(study)).rows[-1]
    assert (row[0], row[1], row[-1]) == ("layers one by one", "as 15 trials", "45.0 s")


def test_nothing_before_the_first_trial(make_study):
    assert costs(View.of(make_study(trials=0))) is None
