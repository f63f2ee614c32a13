"""Expected gains against sampling, and the model against a known function."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.front import Floats, hypervolume
from hierprune.search.surrogate import (
    MARGIN,
    Belief,
    Surrogate,
    expected_gain,
    normal_cdf,
    open_points,
    unwarp,
    warp,
)


def test_the_normal_distribution_function() -> None:
    from scipy.stats import norm

    x = np.linspace(-8, 8, 401)
    assert np.abs(normal_cdf(x) - norm.cdf(x)).max() < 5e-4


@pytest.mark.parametrize("axes", [2, 3])
def test_gains_are_in_proportion_to_sampled_ones(axes: int) -> None:
    random = np.random.default_rng(0)
    front = np.array([[0.2, 0.6, 0.5], [0.5, 0.3, 0.4]])[:, :axes]
    means = random.uniform(0.1, 0.9, (6, axes))
    stds = np.array([0.1, 0.0, 0.05])[:axes]
    beliefs = [Belief(m, np.full(6, s)) for m, s in zip(means.T, stds, strict=True)]
    gain = expected_gain(beliefs, front, random)
    before = hypervolume(front)

    def sampled(mean: Floats) -> float:
        draws = mean + stds * random.normal(size=(1500, axes))
        return float(np.mean([hypervolume(np.vstack([front, d])) - before for d in draws]))

    truth = np.array([sampled(m) for m in means])
    scale = truth.sum() / gain.sum()
    assert np.allclose(gain * scale, truth, atol=0.12 * truth.max())


def test_open_points_are_not_dominated() -> None:
    front = np.array([[0.0, 0.3], [0.3, 0.0]])
    points = open_points(front, 2, np.random.default_rng(0))
    assert 500 < len(points) <= 1024
    assert ((points < 0.3).any(axis=1)).all()


def test_the_model_knows_what_it_saw_and_doubts_what_it_did_not() -> None:
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (40, 3))
    y = np.sin(2 * x[:, 0]) + 0.5 * x[:, 1]
    model = Surrogate.fitted(x, y)
    near, far = model.predict(x, y, x), model.predict(x, y, x + 30.0)
    assert np.abs(near.mean - y).max() < 0.05
    assert near.std.max() < 0.1 * far.std.min()
    assert np.allclose(far.mean, y.mean(), atol=0.1)


def test_there_is_something_to_gain_beyond_the_quality_of_the_dense_model() -> None:
    belief = Belief(np.array([-0.02, -0.01, 0.3]), np.full(3, 0.01))
    gain = expected_gain([belief], np.array([[0.0]]), np.random.default_rng(0))
    assert gain[0] > gain[1] > gain[2] >= 0
    as_well = expected_gain([belief], np.array([[1e-6]]), np.random.default_rng(0))
    assert as_well[0] > as_well[1] > as_well[2] >= 0
    nothing = np.empty((0, 2))
    assert (open_points(nothing, 2, np.random.default_rng(0)) >= 0).all()


@given(st.lists(st.floats(-2.0, 1 + 0.8 * MARGIN), min_size=1, max_size=9, unique=True))
def test_losses_of_quality_keep_their_order_and_come_back(lost: list[float]) -> None:
    coordinates = np.array(sorted(lost))
    odds = warp(coordinates)
    assert (np.diff(odds) >= 0).all()
    assert unwarp(odds) == pytest.approx(coordinates, abs=1e-9)


def test_collapsed_models_are_all_alike() -> None:
    assert np.ptp(warp(np.array([1.05, 1.2, 40.0]))) == 0.0


def test_gains_of_warped_beliefs_are_in_proportion_to_sampled_ones() -> None:
    random = np.random.default_rng(0)
    front = np.array([[0.2, 0.6], [0.5, 0.3]])
    costs, means = random.uniform(0.1, 0.9, 6), random.uniform(-2, 2, 6)
    beliefs = [Belief(means, np.full(6, 0.5), warped=True), Belief(costs, np.zeros(6))]
    gain = expected_gain(beliefs, front, random)
    before, truth = hypervolume(front), np.zeros(6)
    for i in range(6):
        draws = unwarp(means[i] + 0.5 * random.normal(size=1500))
        grown = [hypervolume(np.vstack([front, [d, costs[i]]])) - before for d in draws]
        truth[i] = np.mean(grown)
    scale = truth.sum() / gain.sum()
    assert np.allclose(gain * scale, truth, atol=0.12 * truth.max())
