import numpy as np
import pytest
import torch
from small import Heard
from torch import nn

from hierprune.errors import UsageError
from hierprune.objectives.latency import LatencyOptions
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.dense import Dense
from hierprune.pruners.tree_cache import find_tree
from hierprune.search.space import SpaceOptions
from hierprune.studies import latency
from hierprune.studies.latency import FEWEST_ROWS, SURE_ROWS, known_table, measure_table
from hierprune.studies.progress import Silent
from hierprune.task import Task

OPTIONS, SPACE = LatencyOptions(), SpaceOptions()
TASK = Task("toy", nn.Identity, [], [(torch.zeros(1, 4), torch.zeros(1))], [])


@pytest.fixture
def dense(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Dense:
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path))
    model = nn.Sequential(
        nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 2)
    )
    return Dense(model, find_tree(model, torch.zeros(1, 4)), Calibration((), None))


def times(noise: float):
    draw = np.random.default_rng(0)

    def compare(setting, model, other, inputs, **options):
        work = [100 + sum(p.numel() for p in m.parameters()) for m in (model, other)]
        return np.tile(work, (12, 1)) * np.exp([draw.normal(0, noise), 0])

    return compare


def test_timing_stops_when_models_held_out_are_predicted_well(dense: Dense, monkeypatch):
    monkeypatch.setattr(latency, "compare", times(0.0))
    table = measure_table(OPTIONS, dense, TASK, SPACE, Silent(), rows=40)
    assert len(table.rows) == FEWEST_ROWS
    monkeypatch.setattr(latency, "compare", times(1.0))
    assert len(measure_table(OPTIONS, dense, TASK, SPACE, Silent(), rows=20).rows) == 20
    short = measure_table(OPTIONS, dense, TASK, SPACE, Silent(), seconds=0.0, rows=20)
    assert len(short.rows) == SURE_ROWS


def test_a_second_study_of_an_architecture_times_nothing(dense: Dense, monkeypatch):
    monkeypatch.setattr(latency, "compare", times(0.0))
    first = known_table(OPTIONS, dense, TASK, SPACE, Silent())
    monkeypatch.delattr(latency, "compare")
    heard = Heard()
    again = known_table(OPTIONS, dense, TASK, SPACE, heard)
    assert again.rows == first.rows
    assert "timed before" in heard.noted[0]


def test_a_table_that_predicts_badly_is_not_kept(dense: Dense, monkeypatch):
    monkeypatch.setattr(latency, "compare", times(1.0))
    known_table(OPTIONS, dense, TASK, SPACE, Silent())
    monkeypatch.delattr(latency, "compare")
    with pytest.raises(UsageError, match="'compare' is not defined"):
        known_table(OPTIONS, dense, TASK, SPACE, Silent())


def refusing(every: int):
    """Timing that fails for all but every so many models."""
    time, calls = times(0.0), iter(range(1000))

    def compare(*given, **options):
        if next(calls) % every:
            raise RuntimeError("no kernel for 12")
        return time(*given, **options)

    return compare


def test_models_that_do_not_run_are_left_out_of_the_table(dense: Dense, monkeypatch):
    monkeypatch.setattr(latency, "compare", refusing(2))
    assert len(measure_table(OPTIONS, dense, TASK, SPACE, Silent()).rows) == FEWEST_ROWS


def test_a_table_of_too_few_rows_is_refused(dense: Dense, monkeypatch):
    monkeypatch.setattr(latency, "compare", refusing(10))
    with pytest.raises(UsageError, match=r"28 of 32 .*--latency measured.*no kernel for 12"):
        measure_table(OPTIONS, dense, TASK, SPACE, Silent())
