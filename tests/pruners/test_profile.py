"""Sensitivities and the path of least additive loss."""

import numpy as np
import pytest
import torch
from torch import nn

from hierprune.pruners.allocation import fit
from hierprune.pruners.calibration import Calibration, input_statistics
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import Recovery
from hierprune.pruners.profile import LEVELS, Profile, additive_path, hull, measure_profile
from hierprune.pruners.trace import build_tree


@pytest.fixture
def dense():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)
    )
    with torch.no_grad():
        model[0].weight[8:] = 0
        model[0].bias[8:] = -1
    x = torch.randn(256, 6)
    data = Calibration(((x, model(x).argmax(1)),), nn.functional.cross_entropy)
    model.eval()
    return Dense(model, build_tree(model, x[:1]), data, input_statistics(model, data))


def test_a_group_of_spare_units_is_found_insensitive(dense):
    profile = measure_profile(dense, "channel", "activation", Recovery())
    quarter = int(np.argmin(np.abs(profile.densities - 0.35)))
    assert profile.rise.shape == (2, len(LEVELS))
    assert profile.rise[0, quarter] < 1e-4
    assert profile.rise[1, quarter] > profile.rise[0, quarter]
    assert (np.diff(profile.rise, axis=1) >= 0).all()


def test_the_path_takes_from_what_does_not_hurt_first(dense):
    profile = measure_profile(dense, "channel", "activation", Recovery())
    cost = CostModel.of(dense.tree, "channel")
    path = additive_path(profile, cost, "params")
    rows = np.array([path(p) for p in np.linspace(0, 1, 50)])
    assert (np.diff(rows, axis=0) >= -1e-12).all()
    assert np.allclose(rows[-1], 1.0)
    first, second = fit(path, cost, 0.45, "params", np.zeros(2))
    assert first < second


def test_hulls_are_convex_and_below_the_curve():
    densities = np.array([1.0, 0.7, 0.5, 0.2, 0.1])
    rise = np.array([0.0, 0.5, 0.1, 0.9, 1.0])
    fine = np.linspace(0.1, 1.0, 91)
    read = hull(densities, rise, fine)
    assert (np.diff(read, 2) >= -1e-9).all()
    assert (np.interp(densities[::-1], fine, read) <= rise[::-1] + 1e-6).all()


def test_flat_curves_give_a_path_all_the_same():
    cost = CostModel.of(
        build_tree(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)), torch.randn(1, 4)), "channel"
    )
    path = additive_path(Profile(np.array(LEVELS), np.zeros((1, len(LEVELS)))), cost, "params")
    assert fit(path, cost, 0.5, "units", np.zeros(1))[0] == 4
