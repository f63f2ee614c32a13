"""Which level is varied."""

import numpy as np
import pytest

from hierprune.search.opening import WAIT, opened


def grown(*volumes: float) -> np.ndarray:
    """Points of two objectives, each of which dominates this volume alone."""
    return np.array([[1 - v, 0.0] for v in volumes]).reshape(-1, 2)


def test_levels_open_one_by_one_when_nothing_comes_of_the_coarser() -> None:
    found = [0.1, 0.2, 0.3, *[0.3] * 2 * WAIT]
    depths = [opened(grown(*found[:n]), 2) for n in range(len(found) + 1)]
    assert depths == [*["none"] * (3 + WAIT), *["stage"] * WAIT, "layer"]


def test_small_growth_is_none_and_large_growth_waits_longer() -> None:
    assert opened(grown(0.5, *[0.5 * 1.001**i for i in range(1, 7)]), 1) == "layer"
    assert opened(grown(0.2, 0.2, 0.2, 0.3, 0.3, 0.3), 1) == "none"


@pytest.mark.parametrize("axes", [1, 3])
def test_any_number_of_objectives(axes: int) -> None:
    assert opened(np.full((12, axes), 0.4), 2) == "layer"
    assert opened(np.empty((0, axes)), 2) == "none"


def test_a_level_that_was_opened_stays_open() -> None:
    found = [0.1, *[0.1] * WAIT, 0.3, 0.5]
    assert opened(grown(*found), 1) == "stage"
