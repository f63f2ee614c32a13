"""The figures of a report as files, for papers and slides."""

from __future__ import annotations

import importlib.util
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go
import plotly.io

from ...errors import UsageError
from ..study import Study
from .figures import figures

FORMATS = ("png", "svg")
WIDTH = 1000  # pixels
SCALE = 2  # dots per pixel of PNG
INK, LINE = "#1d2329", "#dfe3e6"


def write_figures(study: Study, folder: Path) -> list[Path]:
    """Write every figure of a study as PNG and as SVG, on white.

    Args:
        study: with any number of trials; without a finished one nothing is written.
        folder: made where it is not there; files of the same names are overwritten.

    Returns:
        The files.

    Raises:
        UsageError: kaleido, or the browser that it draws with, is not installed; the folder
            cannot be written.
    """
    check_pictures(folder)
    drawn = {slug(name): on_paper(figure) for name, figure in figures(study).items()}
    files = [folder / f"{name}.{form}" for name in drawn for form in FORMATS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        draw(drawn, files)
    except OSError as error:
        raise UsageError(f"cannot write figures to {folder}: {error.strerror}") from error
    finally:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    return files


def check_pictures(folder: Path) -> None:
    """Raise :class:`UsageError` where figures cannot be drawn, or not into this folder."""
    if importlib.util.find_spec("kaleido") is None:
        raise UsageError(
            "figures as PNG and SVG need the package kaleido: pip install 'hierprune[figures]'"
        )
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"cannot write figures to {folder}: it is no folder")


def draw(drawn: Mapping[str, go.Figure], files: list[Path]) -> None:
    """Write the figures, in the order of the files: every format of one before the next.

    Raises:
        UsageError: no browser can be started.
    """
    repeated = [figure for figure in drawn.values() for _ in FORMATS]
    heights = [figure.layout.height for figure in repeated]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plotly.io.write_images(repeated, files, width=WIDTH, height=heights, scale=SCALE)
    except RuntimeError as error:  # what plotly and kaleido raise where the browser does not start
        raise UsageError(
            "figures as PNG and SVG are drawn by Chrome or Chromium, and none could be started: "
            "install one, or name it in the environment variable BROWSER_PATH"
        ) from error


def slug(name: str) -> str:
    """A file name.

    >>> slug("front: accuracy, latency"), slug("densities: 2:4")
    ('front-accuracy-latency', 'densities-2-4')
    """
    return re.sub(r"[^\w.-]+|:", "-", name).strip("-")


def on_paper(figure: go.Figure) -> go.Figure:
    """The figure on white, with the colours that the page would give it."""
    found = go.Figure(figure)
    axis = {"gridcolor": LINE, "linecolor": LINE, "tickcolor": LINE, "color": INK}
    found.update_layout(paper_bgcolor="white", plot_bgcolor="white", font={"color": INK})
    found.update_xaxes(axis)
    found.update_yaxes(axis)
    if any(isinstance(trace, go.Scatter3d) for trace in found.data):
        found.update_scenes(xaxis=axis, yaxis=axis, zaxis=axis)
    return found
