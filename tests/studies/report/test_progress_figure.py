import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.search.front import hypervolume
from hierprune.studies.report.progress_figure import (
    STEPS,
    checkpoints,
    growing_volume,
    progress_figures,
)
from hierprune.studies.report.view import View


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3))
def test_the_curve_is_the_hypervolume_of_every_prefix(seed, n, m):
    points = np.random.default_rng(seed).random((n, m)) * 1.3
    counts = list(range(1, n + 1))
    expected = [hypervolume(points[:c]) for c in counts]
    assert growing_volume(points, counts) == pytest.approx(expected)


@given(st.integers(1, 20_000))
def test_checkpoints_end_with_the_last_trial(n):
    counts = checkpoints(n)
    assert counts[0] == 1
    assert counts[-1] == n
    assert len(counts) <= STEPS
    assert counts == sorted(set(counts))


def test_both_curves_end_at_the_studys_hypervolume(make_study):
    study = make_study()
    figures = progress_figures(View.of(study))
    for figure in figures.values():
        assert figure.data[0].y[0] == 0
        assert figure.data[0].y[-1] == pytest.approx(study.hypervolume())
    assert figures["trials"].data[0].x[-1] == 40
    assert figures["time"].layout.xaxis.title.text == "time [s]"
