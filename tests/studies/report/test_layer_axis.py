"""Layers down the side of a heat map."""

import dataclasses

import pytest

from hierprune.studies.report.density_figure import density_figures
from hierprune.studies.report.layer_axis import stages_of
from hierprune.studies.report.theme import heat_rows
from hierprune.studies.report.view import View


def test_a_stage_is_named_at_its_first_layer_and_parted_from_the_next(make_study):
    figure = density_figures(View.of(make_study(groups=10)))["channel"]
    texts = figure.layout.yaxis.ticktext
    assert texts[:5] == (
        "<b>stage1</b>  0.conv",
        "1.conv",
        "2.conv",
        "3.conv",
        "<b>stage2</b>  0.conv",
    )
    assert [shape.y0 for shape in figure.layout.shapes] == [3.5, 7.5]
    assert figure.layout.yaxis.range == (9.5, -0.5)


@pytest.mark.parametrize("groups", [1, 4])
def test_one_stage_is_not_named(make_study, groups):
    view = View.of(make_study(groups=groups))
    figure = density_figures(view)["channel"]
    assert figure.layout.yaxis.ticktext == tuple(g.name for g in view.tree.groups)
    assert not figure.layout.shapes


def test_without_a_tree_there_are_no_stages(make_study):
    view = dataclasses.replace(View.of(make_study(groups=10)), tree=None)
    assert stages_of(view, "channel", ["stage1.0.conv", "stage2.0.conv"]) == {}


def test_where_there_is_no_room_only_some_are_named(make_study):
    figure = density_figures(View.of(make_study(groups=150)))["channel"]
    assert len(figure.layout.yaxis.ticktext) <= heat_rows()
    assert len(figure.data[0].y) == 150
