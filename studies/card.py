"""The card of a picked model: what was cut, how good it is, how to load it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__

if TYPE_CHECKING:
    from .picked import Picked

BAR = 20


def card(picked: Picked, folder: Path) -> str:
    """Markdown for people."""
    record, plan = picked.record, picked.plan
    source = "" if record.source is not None else ", task=task"
    return "\n".join(
        [
            f"# {record.task}, pruned: trial {picked.trial}",
            "",
            f"{plan.granularity} pruning of {record.task}"
            + (f" on {record.data}" if record.data else "")
            + f": {plan.ratio:.1%} of the {plan.budget} removed, ranked by {plan.criterion}, "
            f"split by {plan.allocation}, recovered by {recovery_text(picked)}.",
            "",
            "## Scores",
            "",
            *scores(picked),
            "",
            "Validation scores chose this model, so they flatter it a little; the test split was "
            "read once, when it was picked.",
            "",
            "## What was kept",
            "",
            *layers(picked),
            "",
            "## How to load it",
            "",
            "```python",
            "import hierprune",
            "",
            f'model = hierprune.load("{folder.name}"{source})',
            "```",
            "",
            f"Dense weights SHA-256 {record.dense.sha256[:16]}; made by hierprune {__version__}.",
            "",
        ]
    )


def recovery_text(picked: Picked) -> str:
    """The recovery in words."""
    recovery = picked.plan.recovery
    steps = [
        (recovery.reconstruct, "least-squares reconstruction"),
        (recovery.recalibrate, "BatchNorm re-estimation"),
        (recovery.epochs > 0, f"{recovery.epochs:g} epochs of fine-tuning"),
    ]
    return ", ".join(text for used, text in steps if used) or "nothing"


def scores(picked: Picked) -> Iterable[str]:
    """Validation and test scores beside the dense model's."""
    dense = picked.record.dense
    rows = []
    for name, value in picked.values.items():
        low, high = picked.interval.get(name, (None, None))
        span = "" if low is None or high is None else f" ({number(low)} to {number(high)})"
        rows.append(
            [
                name,
                number(dense.values[name]),
                f"{number(value)}{span}",
                number(picked.dense_test.get(name)),
                number(picked.test.get(name)),
            ]
        )
    head = ["", "dense, validation", "pruned, validation", "dense, test", "pruned, test"]
    return table(head, rows)


def number(value: float | None) -> str:
    """Four significant digits; a dash where there is no value.

    >>> number(0.09996), number(1.0), number(1234.56), number(0.0), number(None)
    ('0.09996', '1.000', '1,235', '0', '-')
    """
    if value is None:
        return "-"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.4g}"


def layers(picked: Picked) -> Iterable[str]:
    """Kept share of every group, with a bar."""
    keep: Mapping[str, Sequence[int]] = picked.plan.keep or {}
    rows = []
    for group, density in picked.plan.density.items():
        filled = max(1, round(density * BAR))
        kept = len(keep[group]) if group in keep else None
        units = "" if kept is None else f"{round(kept / density)} -> {kept}"
        rows.append([group, units, f"{density:.2%}", "#" * filled + "." * (BAR - filled)])
    return table(["group", "units", "density", ""], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]
