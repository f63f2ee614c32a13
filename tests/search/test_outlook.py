"""What training is expected to leave, and which plan it is worth most for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.front import Axis, hypervolume
from hierprune.search.outlook import LEFT, foretold, gains, mended

NONE = np.empty(0)
LOST = st.floats(0.0, 1.2)


@given(lost=st.lists(LOST, min_size=1, max_size=8))
def test_before_anything_is_trained_a_part_of_every_loss_stays(lost: list[float]) -> None:
    found = mended(NONE, NONE, np.array(lost))
    expected = np.minimum(lost, LEFT * np.maximum(lost, 1e-3))
    assert found == pytest.approx(expected)


@given(
    pairs=st.lists(st.tuples(LOST, LOST), max_size=8),
    at=st.lists(st.floats(-0.1, 1.2), min_size=1, max_size=8),
)
def test_training_is_never_expected_to_harm(
    pairs: list[tuple[float, float]], at: list[float]
) -> None:
    before, after = np.array(pairs).reshape(-1, 2).T
    found = mended(before, after, np.array(at))
    assert np.isfinite(found).all()
    assert (found <= np.array(at)).all()


@given(slope=st.floats(0.6, 1.5), left=st.floats(0.1, 1.0))
def test_what_trained_plans_have_in_common_is_found(slope: float, left: float) -> None:
    before, at = np.geomspace(0.05, 1.0, 12), np.array([0.05, 0.3, 0.8])
    after = left * before**slope
    expected = np.minimum(at, left * at**slope)
    assert mended(before, after, at) == pytest.approx(expected, rel=0.25)


def test_costs_stay() -> None:
    axes = (Axis("accuracy", "maximize", 0.9, 0.1), Axis("params", "minimize", 1.0))
    none = np.empty((0, 2))
    points = np.array([[0.5, 0.3], [0.1, 0.7]])
    found = foretold(axes, none, none, points)
    assert found[:, 1].tolist() == [0.3, 0.7]
    assert found[:, 0].tolist() == pytest.approx([0.5 * LEFT, 0.1 * LEFT])


@given(
    standing=st.lists(st.tuples(LOST, LOST), max_size=6),
    points=st.lists(st.tuples(LOST, LOST), min_size=1, max_size=6),
)
def test_gains_are_what_the_hypervolume_grows_by(
    standing: list[tuple[float, float]], points: list[tuple[float, float]]
) -> None:
    front, others = (np.array(p).reshape(-1, 2) for p in (standing, points))
    for gained, point in zip(gains(front, others), others, strict=True):
        grown = hypervolume(np.concatenate([front, [point]]))
        assert gained == pytest.approx(grown - hypervolume(front))
        assert gained >= -1e-12
