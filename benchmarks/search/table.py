"""Hypervolumes of the runs in a folder, relative to the union of all of them, as a Markdown table.

What a strategy spends on sensitivities is charged: after n trials it has made n less the charge.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from hierprune.search.front import Floats, hypervolume

from .contest import ENTRIES, rows

CHECKPOINTS = (25, 50, 100, 200, 400)
LOG_SPAN = 2.0
"""Decades of cost on the logarithmic scale: a hundredth of the dense cost counts as none."""

Runs = Mapping[str, Sequence[Floats]]


def table(name: str, folder: Path) -> str:
    """The table of one contest, on a linear and on a logarithmic scale of cost."""
    charges = [float(file.read_text()) for file in folder.glob("cache/charge-*.txt")]
    charge = max(charges, default=0.0)
    runs = read(folder)
    lines = [f"### {name}", ""]
    lines += [f"One-layer sensitivities cost {c:.1f} trials.\n" for c in charges]
    for scale, scaled in (("linear", lambda p: p), ("logarithmic", logarithmic)):
        shown = {entry: [scaled(points) for points in found] for entry, found in runs.items()}
        lines += [f"Cost on a {scale} scale:", "", *body(shown, math.ceil(charge)), ""]
    return "\n".join(lines)


def read(folder: Path) -> dict[str, list[Floats]]:
    """Points to minimise, quality and cost, by entry and seed, in the order of the trials."""
    runs: dict[str, list[Floats]] = defaultdict(list)
    for entry in ENTRIES:
        for file in sorted(folder.glob(f"{entry}-[0-9]*.jsonl")):
            found = rows(file)
            runs[entry].append(np.array([row["point"] for row in found]).reshape(-1, 2))
    return runs


def logarithmic(points: Floats) -> Floats:
    """The cost's logarithm, 1 for dense and 0 at a hundredth of it or less."""
    scaled = points.copy()
    scaled[:, 1] = np.maximum(0.0, 1 + np.log10(np.maximum(points[:, 1], 1e-9)) / LOG_SPAN)
    return scaled


def body(runs: Runs, charge: int) -> list[str]:
    """Rows of the table: mean over seeds +- standard deviation (seeds)."""
    best = hypervolume(np.concatenate([p for found in runs.values() for p in found]))
    lines = [
        f"| of {best:.4f} | " + " | ".join(map(str, CHECKPOINTS)) + " |",
        "|---" * (len(CHECKPOINTS) + 1) + "|",
    ]
    for entry, found in runs.items():
        spent = charge if ENTRIES[entry].sensitivities else 0
        cells = [cell(found, count - spent, best) for count in CHECKPOINTS]
        lines.append(f"| {entry} | " + " | ".join(cells) + " |")
    return lines


def cell(found: Sequence[Floats], count: int, best: float) -> str:
    """Hypervolume after ``count`` trials, of the runs that came so far."""
    return shares_cell([hypervolume(p[:count]) / best for p in found if len(p) >= count > 0])


def shares_cell(shares: Sequence[float]) -> str:
    """Mean, standard deviation and number of some runs' shares."""
    if not shares:
        return ""
    spread = f" ±{stdev(shares):.3f}" if len(shares) > 1 else ""
    return f"{mean(shares):.3f}{spread} ({len(shares)})"
