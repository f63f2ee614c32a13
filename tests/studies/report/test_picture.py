"""Figures as files."""

import importlib.util
import xml.etree.ElementTree as ET

import plotly.graph_objects as go
import pytest

from hierprune.errors import UsageError
from hierprune.studies.report import picture

from .conftest import CHROMIUM

PNG = b"\x89PNG"


@pytest.fixture
def two(monkeypatch):
    """Two small figures in the place of all."""
    drawn = {
        "front: accuracy, latency": go.Figure(go.Scatter(x=[1], y=[2]), layout={"height": 300}),
        "densities: 2:4": go.Figure(go.Heatmap(z=[[1]]), layout={"height": 700}),
    }
    monkeypatch.setattr(picture, "figures", lambda study: drawn)


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_every_figure_is_written_in_both_forms_at_its_height(two, make_study, tmp_path):
    files = picture.write_figures(make_study(trials=1), tmp_path / "a" / "b")
    assert [f.name for f in files] == [
        "front-accuracy-latency.png",
        "front-accuracy-latency.svg",
        "densities-2-4.png",
        "densities-2-4.svg",
    ]
    assert files[0].read_bytes()[:4] == PNG
    heights = [int.from_bytes(f.read_bytes()[20:24], "big") for f in files[::2]]
    assert heights == [600, 1400]
    assert ET.parse(files[1]).getroot().tag.endswith("svg")


@pytest.mark.parametrize("browser", ["/bin/false", "/bin/nowhere"])
def test_no_browser_is_said_and_nothing_is_left(two, make_study, tmp_path, monkeypatch, browser):
    monkeypatch.setenv("BROWSER_PATH", browser)
    with pytest.raises(UsageError, match="none could be started"):
        picture.write_figures(make_study(trials=1), tmp_path / "figures")
    assert not (tmp_path / "figures").exists()


def test_what_is_missing_is_named_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'hierprune\[figures\]'"):
        picture.check_pictures(tmp_path)
