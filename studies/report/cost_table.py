"""What the search cost: time by rung and by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..wording import duration, epochs_text, worth
from .view import View


@dataclass(frozen=True)
class Costs:
    """A table.

    Attributes:
        heads: of the columns.
        rows: a rung each, then the failed trials, then one-layer sensitivities, as trials that
            take as long.
    """

    heads: list[str]
    rows: list[list[str]]


def costs(view: View) -> Costs | None:
    """Trials and their time by rung, per trial by step; ``None`` without a finished trial."""
    if not view.records:
        return None
    steps = list(dict.fromkeys(step for r in view.records for step in r.seconds))
    rungs = sorted({r.rung for r in view.records})
    rows = [rung_row(view, rung, steps) for rung in rungs]
    if view.failed:
        seconds = sum(sum(seconds_of(t.user_attrs).values()) for t in view.failed)
        rows.append(["failed", f"{len(view.failed):,}", *[""] * len(steps), "", duration(seconds)])
    if seconds := sum(profile.seconds for profile in view.profiles.values()):
        count = worth(seconds, median_seconds(view, 0))
        rows.append(["layers one by one", f"as {count}", *[""] * len(steps), "", duration(seconds)])
    return Costs(["rung", "trials", *(f"{s}, a trial" for s in steps), "a trial", "all"], rows)


def rung_row(view: View, rung: int, steps: list[str]) -> list[str]:
    """One rung: medians over its trials, and the sum."""
    records = [r for r in view.records if r.rung == rung]
    by_step = [float(np.median([r.seconds.get(s, 0.0) for r in records])) for s in steps]
    whole = sum(sum(r.seconds.values()) for r in records)
    epochs = {r.plan["recovery"]["epochs"] for r in records}
    name = f"{rung} ({' or '.join(map(epochs_text, sorted(epochs)))})" if rung else "0"
    middle = duration(median_seconds(view, rung))
    return [name, f"{len(records):,}", *map(duration, by_step), middle, duration(whole)]


def median_seconds(view: View, rung: int) -> float:
    """Of a trial on a rung; 0 without one."""
    found = [sum(r.seconds.values()) for r in view.records if r.rung == rung]
    return float(np.median(found)) if found else 0.0


def seconds_of(attributes: dict[str, object]) -> dict[str, float]:
    """What a trial measured of its own time."""
    outcome = attributes.get("outcome") or {}
    assert isinstance(outcome, dict)
    return dict(outcome.get("seconds", {}))
