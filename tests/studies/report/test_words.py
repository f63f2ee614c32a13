import doctest
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hierprune.studies.report.view import View
from hierprune.studies.report.words import densities, full_hover, number


@pytest.mark.parametrize("name", ["words", "clock", "importance_figure"])
def test_examples(name):
    module = importlib.import_module(f"hierprune.studies.report.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@given(st.floats(1e-6, 1e9))
def test_numbers_keep_four_digits(value):
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)


def test_hover_names_plan_intervals_and_densities(make_study):
    view = View.of(make_study(groups=3))
    text = full_hover(view.records[0], view.shown)
    for part in ("trial 0", "rung 0", "95 %", "latency", "removed", "channel", "stage1.2.conv"):
        assert part in text


def test_long_plans_are_summed_up_and_names_escaped():
    few = {"density": {"<b>": 0.5}}
    assert densities(few) == "kept: &lt;b&gt; 50%"
    many = {"density": {f"layer{i}": (i + 1) / 20 for i in range(20)}}
    assert densities(many) == "kept of 20 groups: 5% (layer0) to 100%, median 52%"
    assert densities({"density": {}}) == "all groups dense"
