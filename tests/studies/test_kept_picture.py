"""The picture of the units kept."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
import torch

from hierprune.studies.kept_picture import MOST, picture, unit_cells, weight_cells


def fills(svg: str) -> list[float]:
    rects = [e for e in ET.fromstring(svg).iter() if e.tag.endswith("rect")][1:]
    return [float(r.attrib["fill-opacity"]) for r in rects]


def test_kept_units_are_filled_by_their_salience() -> None:
    scores = {"a": torch.tensor([3.0, 1.0, 2.0])}
    svg = picture(unit_cells({"a": [0, 2], "gone": []}, {"a": 3, "gone": 1, "b": 2}, scores))
    assert fills(svg)[:4] == pytest.approx([1.0, 0.0, 0.625, 0.0], abs=0.01)
    assert all(f > 0 for f in fills(svg)[4:])
    assert "2 of 3" in svg
    assert "0 of 1" in svg
    assert "2 of 2" in svg


def test_single_weights_are_shown_by_output() -> None:
    weight = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    (layer,) = weight_cells({"<w>": weight}, {"<w>": torch.ones(3, 2)})
    assert layer.kept == (0.0, 0.5, 1.0)
    assert "&lt;w&gt;" in picture([layer])


def test_wide_layers_are_thinned_and_still_counted() -> None:
    svg = picture(unit_cells({"wide": range(2000)}, {"wide": 4000}, {}))
    assert len(fills(svg)) == MOST
    assert "2000 of 4000" in svg
