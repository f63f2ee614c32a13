import numpy as np
import pytest
import torch
from torch import nn

from hierprune.objectives.runtime import Setting
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense
from hierprune.pruners.tree_cache import find_tree
from hierprune.studies import align
from hierprune.studies.align import liked_multiple, multiples
from hierprune.task import Task


@pytest.fixture
def dense() -> Dense:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 2)
    )
    return Dense(model, find_tree(model, torch.zeros(1, 4)), Calibration((), None))


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16])
def test_the_lanes_of_the_hardware_are_found(
    dense: Dense, lanes: int, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    def compare(setting, model, other, inputs, **options):
        def cost(m):  # whole lanes are fast, others take a slow path
            widths = [m[0].out_features, m[2].out_features]
            return sum(w if w % lanes == 0 else 3 * w for w in widths)

        return np.tile([cost(model), cost(other)], (12, 1)).astype(float)

    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(align, "compare", compare)
    task = Task("toy", lambda: dense.model, [], [(torch.zeros(1, 4), torch.zeros(1))], [])
    assert liked_multiple(Setting(), dense, task) == lanes


def test_the_widest_multiples(dense: Dense):
    cost = CostModel.of(dense.tree, "channel")
    assert multiples(cost, 16).tolist() == [64, 32]
    assert multiples(cost, 32).tolist() == [64, 40]


def test_what_was_found_before_is_taken(dense: Dense, monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setenv("HIERPRUNE_CACHE", str(tmp_path))
    monkeypatch.setattr(align, "compare", lambda *_, **__: np.ones((12, 2)))
    task = Task("toy", lambda: dense.model, [], [(torch.zeros(1, 4), torch.zeros(1))], [])
    assert liked_multiple(Setting(), dense, task) == 1
    monkeypatch.delattr(align, "compare")
    assert liked_multiple(Setting(), dense, task) == 1
