"""The page: figures, tables and words in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from ...errors import UsageError
from ...plain_json import dumps
from ...search.front import hypervolume
from ..study import Study
from ..wording import agreement_words, duration
from .choices import choices
from .cost_table import costs
from .failed import excluded, grouped
from .figures import other_figures
from .front_figure import front_figure
from .front_table import heads, rows
from .headline import findings
from .importance_figure import ENOUGH
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
    "sensitivities": "How much the loss on calibration data rises when one layer alone is thinned "
    "and recovered, all others dense: dark layers are the ones to leave alone.",
    "importance": "How much the choice of a parameter decides whether a trial is among the best "
    "tenth (PED-ANOVA), as shares of each column. Costs follow the global density; the column of "
    "the front tells what made good models.",
    "latency": "What trials knew of their latency, predicted or measured beside other workers, "
    "against what was measured of the front alone on the machine, with 95 % intervals.",
}
UNMEASURED = (
    "What thinning each layer alone costs was not measured; a study launched with dp among its "
    "--allocation shows it."
)
HEADINGS = {
    "front": "The front",
    "hypervolume": "Progress",
    "densities": "Layers of the front",
    "sensitivities": "Layers one by one",
    "importance": "What mattered",
    "latency": "Latency, confirmed",
}


@dataclass(frozen=True)
class Panel:
    """Figures of one topic, one of them shown at a time.

    Attributes:
        topic: the first word of their names.
        heading: over the panel.
        caption: how to read them.
        tabs: name of the tab, and the figure as JSON.
        choices: what the axes of the first figure can be changed to, as JSON; ``None`` for others.
        axes: title by name of these axes, those chosen first.
    """

    topic: str
    heading: str
    caption: str
    tabs: list[tuple[str, Markup]]
    choices: Markup | None = None
    axes: Mapping[str, str] = field(default_factory=dict)


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
        "panels": panels(view),
        "heads": heads(view),
        "rows": rows(view) if view.records else [],
        "costs": costs(view),
        "agreement": agreement_words(view.agreements),
        "held_back": view.held_back,
        "taken": view.taken,
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
    asked = f"{view.record.n_trials:,} asked for" if not rungs or view.stop else ""
    volume = number(hypervolume(view.points[view.judged]))
    ended = f"ended early: {view.stop.reason}" if view.stop else ""
    return [
        (
            f"{counts['complete']:,}",
            "plans finished",
            "; ".join(filter(None, (rungs, asked, ended))),
        ),
        (
            f"{counts['failed']:,}",
            "trials failed",
            f"{open_trials} still open" if open_trials else "",
        ),
        (duration(clock.total), "of search", f"{duration(clock.work)} of work in all trials"),
        (f"{len(view.front):,}", "models on the front", ""),
        (volume, "hypervolume", "1 = dense quality at no cost"),
    ]


def panels(view: View) -> list[Panel]:
    """Figures by topic, in their order."""
    if not view.records:
        return []
    y, x = view.shown[:2]
    figures = {"front: 2-d": front_figure(view, x, y)} | other_figures(view)
    found = []
    for topic, heading in HEADINGS.items():
        tabs = [
            (name.removeprefix(f"{topic}: "), embedded(figure.to_json()))
            for name, figure in figures.items()
            if name.startswith(f"{topic}: ")
        ]
        if tabs:
            found.append(Panel(topic, heading, caption(view, topic), tabs))
    offered = choices(view)
    first = dict.fromkeys((y.name, x.name, *offered["axes"]))
    axes = {name: offered["axes"][name]["title"] for name in first}
    found[0] = replace(found[0], choices=embedded(dumps(offered)), axes=axes)
    return found


def caption(view: View, topic: str) -> str:
    """How to read the figures of a topic, and how to get those that are missing."""
    missing = ""
    if topic == "densities" and not view.profiles:
        missing = f" {UNMEASURED}"
    if topic == "hypervolume" and view.counts["complete"] < ENOUGH:
        missing = f" From {ENOUGH} plans on a figure of what mattered follows."
    return f"{CAPTIONS[topic]}{missing}"


def embedded(text: str) -> Markup:
    """JSON that may stand in a script element."""
    return Markup(text.replace("<", "\\u003c"))
