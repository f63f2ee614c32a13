"""Sensitivities layer by layer."""

import numpy as np
import pytest

from hierprune.studies.report.sensitivity_figure import sensitivity_figures
from hierprune.studies.report.view import View


def test_cells_are_the_rises_of_the_profile(make_study):
    view = View.of(make_study(groups=4))
    (heat,) = sensitivity_figures(view)["channel, activation"].data
    assert list(heat.x) == ["50%", "10%"]
    z = np.array(heat.z)
    assert 10 ** z[1:] == pytest.approx(np.array([[i * 0.5, i * 0.9] for i in (1, 2, 3)]))
    assert np.all(z[0] == heat.zmin)
    assert heat.customdata[3][0][0] == "stage1.3.conv"


def test_a_profile_of_another_model_or_none_is_left_out(make_study):
    study = make_study(groups=4)
    (file,) = (study.run / "cache").glob("profile-*")
    file.write_bytes(b"damaged")
    assert sensitivity_figures(View.of(study)) == {}
