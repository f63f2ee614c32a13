"""The page: figures, tables and words in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ...errors import UsageError
from ...search.front import hypervolume
from ..study import Study
from ..wording import duration
from .failed import excluded, grouped
from .figures import draw
from .front_table import heads, rows
from .headline import findings
from .view import View
from .words import number, title

HERE = Path(__file__).parent
SHOWN_FAILURES = 30
CAPTIONS = {
    "front": "Models that no other model beats in all objectives; filled where they satisfy all "
    "constraints. Hover over a point for its plan, double-click to see all trials.",
    "hypervolume": "Share of what is possible: 1 would be the dense model's quality at no cost, 0 "
    "is nothing better than guessing at the dense model's cost.",
    "densities": "Share of the units kept in every layer, one column per model of the front, "
    "layers in the order of the forward pass.",
}


@dataclass(frozen=True)
class Panel:
    """Figures of one topic, one of them shown at a time.

    Attributes:
        topic: the first word of their names.
        heading: over the panel.
        caption: how to read them.
        tabs: name of the tab, and the figure as JSON.
    """

    topic: str
    heading: str
    caption: str
    tabs: list[tuple[str, Markup]]


def write_report(study: Study, out: Path) -> Path:
    """Write one self-contained HTML page about a study; it opens offline.

    Args:
        study: with any number of trials, none included.
        out: the file, overwritten where it is there; its folder is made.

    Returns:
        The file.

    Raises:
        UsageError: it cannot be written.
    """
    text = render(View.of(study))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the report to {out}: {error.strerror}") from error
    return out


def render(view: View) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        **context(view),
        style=asset("page.css"),
        script=asset("page.js"),
        plotly=Markup(get_plotlyjs()),
    )


def asset(name: str) -> Markup:
    """A file that goes into the page as it is."""
    return Markup((HERE / name).read_text(encoding="utf-8"))


def context(view: View) -> dict[str, Any]:
    """Everything the template names."""
    failures = grouped(view.failed)
    return {
        "record": view.record,
        "titles": [title(o) for o in view.objectives],
        "tiles": tiles(view),
        "findings": findings(view),
        "panels": panels(draw(view)),
        "heads": heads(view),
        "rows": rows(view) if view.records else [],
        "failures": failures[:SHOWN_FAILURES],
        "more_failures": max(0, len(failures) - SHOWN_FAILURES),
        "excluded": excluded(view.tree),
        "run": view.run,
    }


def tiles(view: View) -> list[tuple[str, str, str]]:
    """The search in numbers: value, name, remark."""
    counts, clock = view.counts, view.clock
    open_trials = counts["running"] + counts["waiting"]
    rungs = ", ".join(f"{n} on rung {i}" for i, n in enumerate(counts["rungs"]) if i > 0)
    return [
        (
            f"{counts['complete']:,}",
            "plans finished",
            rungs or f"{view.record.n_trials:,} asked for",
        ),
        (
            f"{counts['failed']:,}",
            "trials failed",
            f"{open_trials} still open" if open_trials else "",
        ),
        (duration(clock.total), "of search", f"{duration(clock.work)} of work in all trials"),
        (f"{len(view.front):,}", "models on the front", ""),
        (number(hypervolume(view.points)), "hypervolume", "1 = dense quality at no cost"),
    ]


def panels(figures: dict[str, go.Figure]) -> list[Panel]:
    """Figures by topic, in their order."""
    headings = {"front": "The front", "hypervolume": "Progress", "densities": "Layers"}
    found = []
    for topic, heading in headings.items():
        tabs = [
            (name.removeprefix(f"{topic}: "), embedded(figure))
            for name, figure in figures.items()
            if name.startswith(f"{topic}: ")
        ]
        if tabs:
            found.append(Panel(topic, heading, CAPTIONS[topic], tabs))
    return found


def embedded(figure: go.Figure) -> Markup:
    """A figure as JSON that may stand in a script element."""
    return Markup(figure.to_json().replace("<", "\\u003c"))
