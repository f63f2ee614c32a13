"""Hypervolume by trial, and the fronts, of the runs in a folder, as one SVG (needs matplotlib).

python -m hierprune.benchmarks.search.picture FOLDER OUT.svg ENTRY...
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np

from hierprune.search.front import hypervolume, non_dominated

from .table import read

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "hierprune"


def draw(folder: Path, out: Path, entries: list[str]) -> None:
    """Two panels: mean over seeds by trial, and every seed's front after its last trial."""
    from matplotlib import pyplot

    runs = read(folder)
    best = hypervolume(np.concatenate([p for found in runs.values() for p in found]))
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for color, entry in zip(("C0", "C1", "C2", "C3"), entries, strict=False):
        length = min(len(p) for p in runs[entry])
        places = np.unique(np.geomspace(4, length, 40).astype(int))
        curves = [[hypervolume(p[:n]) / best for n in places] for p in runs[entry]]
        left.plot(places, np.mean(curves, axis=0), color=color, label=entry)
        left.fill_between(places, np.min(curves, axis=0), np.max(curves, axis=0), alpha=0.2)
        for points in runs[entry]:
            front = points[:length][non_dominated(points[:length])]
            front = front[np.argsort(front[:, 1])]
            right.step(front[:, 1], 1 - front[:, 0], where="post", color=color, lw=0.8)
    left.set(xscale="log", xlabel="trials", ylabel="share of the best hypervolume known")
    left.legend(frameon=False)
    right.set(xlabel="cost, relative to dense", ylabel="quality: dense 1, guessing 0")
    right.set(xlim=(0, 1), ylim=(0, 1.05))
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
