"""Sensitivities and the path of least additive loss."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from hierprune.pruners import profile, prune
from hierprune.pruners.allocation import fit
from hierprune.pruners.calibration import Calibration, input_statistics
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import Recovery
from hierprune.pruners.profile import (
    FINE,
    LEVELS,
    Profile,
    additive_path,
    hull,
    measure_profile,
    smooth,
)
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
    half = int(np.argmin(np.abs(profile.densities - 0.5)))
    assert profile.rise.shape == (2, len(LEVELS))
    assert profile.rise[0, half] < 1e-4
    assert profile.rise[1, half] > profile.rise[0, half]
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


@given(arrays(float, 40, elements=st.floats(0, 100)))
def test_hulls_are_convex_and_below_the_curve(rise):
    densities = np.linspace(1.0, 0.1, 40)
    read = hull(densities, rise)
    assert (np.diff(read, 2) >= -1e-9).all()
    assert (read <= rise + 1e-9).all()
    assert read[0] == rise[0]
    assert read[-1] == rise[-1]


@given(arrays(float, (3, len(LEVELS) - 1), elements=st.floats(0, 1e5)))
def test_smooth_curves_go_through_what_was_measured_and_rise_as_density_falls(steps):
    rise = np.concatenate([np.zeros((3, 1)), np.cumsum(steps, axis=1)], axis=1)
    read = smooth(Profile(np.array(LEVELS), rise))
    assert read.shape == (3, len(FINE))
    assert np.isfinite(read).all()
    room = 1e-6 * max(1.0, float(rise.max()))
    assert (np.diff(read, axis=1) >= -room).all()
    for place, density in enumerate(LEVELS):
        above, below = np.flatnonzero(density <= FINE)[-1], np.flatnonzero(density >= FINE)[0]
        assert (read[:, above] <= rise[:, place] + room).all()
        assert (read[:, below] >= rise[:, place] - room).all()


def test_rises_that_are_rounding_are_none():
    rise = np.array([[0.0, 0.0, 0.0, 5e-324], [0.0, 0.0, 1e-300, 1e-12]])
    assert np.isfinite(smooth(Profile(np.array(LEVELS), rise))).all()


def test_below_what_was_measured_losses_go_on_rising_as_they_did():
    profile = Profile(np.array(LEVELS), np.array([[0.0, *(0.1 / d**1.5 for d in LEVELS[1:])]]))
    low = LEVELS[-1] > FINE
    read = smooth(profile)[0, low]
    assert (np.diff(read) > 0).all()
    assert 2 < read[-1] / profile.rise[0, -1] < (LEVELS[-1] / FINE[-1]) ** 1.5


def test_losses_that_are_not_finite_are_as_bad_as_can_be():
    rise = np.array([[0.0, 0.1, np.inf, np.inf], [0.0, 0.1, 0.2, 0.3]])[:, : len(LEVELS)]
    assert np.isfinite(smooth(Profile(np.array(LEVELS), rise))).all()


def test_flat_curves_give_a_path_all_the_same():
    cost = CostModel.of(
        build_tree(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)), torch.randn(1, 4)), "channel"
    )
    path = additive_path(Profile(np.array(LEVELS), np.zeros((1, len(LEVELS)))), cost, "params")
    assert fit(path, cost, 0.5, "units", np.zeros(1))[0] == 4


def test_widths_at_which_the_model_does_not_run_are_as_bad_as_can_be(dense, monkeypatch):
    def refuse(whole, plan):
        if plan.density.get("0", 1.0) < 0.5:
            raise RuntimeError("no kernel")
        return prune.apply_plan(whole, plan)

    monkeypatch.setattr(profile, "apply_plan", refuse)
    rise = measure_profile(dense, "channel", "activation", Recovery()).rise
    assert np.isinf(rise[0, np.array(LEVELS) < 0.5]).all()
    assert np.isfinite(rise[0, np.array(LEVELS) >= 0.5]).all()
    assert np.isfinite(rise[1]).all()
