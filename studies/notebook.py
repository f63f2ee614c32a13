"""A study as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from ..search.history import Record
from .card import with_interval
from .run_record import RunRecord

SHOWN = 30
"""Models of the front in the table, the first ones."""


def notebook_html(
    record: RunRecord, counts: Mapping[str, object], front: Sequence[Record], hypervolume: float
) -> str:
    """Name, counts, and the front as a table below the dense model.

    Args:
        record: of the study.
        counts: of its trials.
        front: its non-dominated trials.
        hypervolume: of the front.
    """
    dense, names = record.dense, [o.name for o in record.objectives]
    heads = ["trial", *(f"{o.name} {o.unit}".strip() for o in record.objectives), "removed"]
    rows = [["dense", *(with_interval(dense.values[n], dense.interval.get(n)) for n in names), ""]]
    for r in front[:SHOWN]:
        removed = f"{r.plan['ratio']:.1%} of {r.plan['budget']}"
        rows.append(
            [
                str(r.number),
                *(with_interval(r.values[n], r.interval.get(n)) for n in names),
                removed,
            ]
        )
    title = f"{record.task} on {record.data}" if record.data else record.task
    text = (
        f"{counts['complete']} of {record.n_trials} plans finished, {counts['failed']} trials "
        f"failed; {len(front)} models on the front, hypervolume {hypervolume:.4f}"
    )
    more = f"<p>and {len(front) - SHOWN} more</p>" if len(front) > SHOWN else ""
    body = "".join(line("td", row) for row in rows)
    return (
        f"<p><b>{escape(title)}</b><br>{escape(text)}</p>"
        f"<table><thead>{line('th', heads)}</thead><tbody>{body}</tbody></table>{more}"
    )


def line(tag: str, cells: Sequence[str]) -> str:
    """One row of a table."""
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
