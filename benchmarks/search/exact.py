"""LeNet-5's single weights, enumerated: how near does a search come to the exact front?

    python -m hierprune.benchmarks.search.exact [--levels 14] [--out runs/bench-search]

Every combination of levels of its four layers is scored as a trial of the contest
``lenet-weight`` scores it. A layer's weights are re-solved from the dense model's statistics alone,
so each layer has as many versions as there are levels; the output layer is then fitted to every
combination. Printed are the hypervolume of the exact front, within the densities that a search
may choose, and those of the runs in ``--out`` as shares of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import Tensor, nn

from hierprune.copies import copy_model
from hierprune.objectives.base import measure_quality
from hierprune.pruners.cost import Ints
from hierprune.pruners.output_layer import refit
from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.prune import apply_plan
from hierprune.search.candidates import costs
from hierprune.search.front import Floats, hypervolume, non_dominated
from hierprune.search.space import SpaceOptions

from .table import logarithmic, read
from .tasks import Arena, arena

NAME = "lenet-weight"
CHECKED = 8
"""Combinations that are scored as a whole model too."""
Layer = tuple[Tensor, Tensor]
"""Weight and bias."""


def plan_of(ready: Arena, widths: Ints) -> PruningPlan:
    """The plan of these widths, shape (4,)."""
    cost = ready.cost
    share = cost.share(widths, "params")
    return PruningPlan("weight", "l1", "grid", 1 - share, "params", cost.densities(widths))


def levels(ready: Arena, count: int) -> Ints:
    """Widths on a logarithmic grid from 1 % to everything, shape (layers, count)."""
    shares = np.geomspace(0.01, 1.0, count)
    rows = [ready.cost.snap(np.rint(share * ready.cost.widths)) for share in shares]
    return np.stack(rows, axis=1)


def versions(ready: Arena, grid: Ints) -> list[list[Layer]]:
    """Every layer at every level, its weights re-solved; the output layer is not yet fitted."""
    found: list[list[Layer]] = [[] for _ in grid]
    for level in range(grid.shape[1]):
        plan = replace(plan_of(ready, grid[:, level]), recovery=Recovery(refit=False))
        model, _ = apply_plan(ready.dense, plan)
        layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        for place, layer in enumerate(layers):
            assert layer.bias is not None
            found[place].append((layer.weight.data, layer.bias.data))
    return found


@torch.no_grad()
def accuracies(ready: Arena, layers: list[list[Layer]]) -> Iterator[float]:
    """Accuracy of every combination, the last layer's level running fastest."""
    model, output = copy_model(ready.dense.model), ready.dense.output
    assert output is not None
    slots = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for combination in product(*layers):
        for slot, (weight, bias) in zip(slots, combination, strict=True):
            assert slot.bias is not None
            slot.weight.copy_(weight)
            slot.bias.copy_(bias)
        refit(model, output, hold_zeros=True)
        yield measure_quality(model, ready.task, "val")["accuracy"].value


def enumerated(ready: Arena, count: int) -> Floats:
    """Points of all combinations, quality and cost to be minimised, shape (count ** 4, 2)."""
    grid = levels(ready, count)
    found = np.array(list(accuracies(ready, versions(ready, grid))))
    choice = np.stack(np.unravel_index(np.arange(len(found)), (count,) * 4))  # (4, N)
    widths = np.take_along_axis(grid, choice, axis=1).T
    check(ready, widths, found)
    axis = ready.goal.axes[0]
    shares = costs(ready.cost, widths, "params")
    return np.stack([[axis(value) for value in found.tolist()], shares], axis=1)


def check(ready: Arena, widths: Ints, found: Floats) -> None:
    """Score some combinations as trials are scored.

    Raises:
        RuntimeError: they differ by more than a sample.
    """
    for i in np.random.default_rng(0).integers(len(found), size=CHECKED):
        scored = ready.measure(plan_of(ready, widths[i]))["accuracy"]
        if abs(scored - found[i]) > 1.5 / ready.setting.val:
            raise RuntimeError(f"combination {i} scores {scored} as a trial, {found[i]} here")


def shown(points: Floats, folder: Path) -> str:
    """The table: runs as shares of the exact front's hypervolume."""
    points = points[points[:, 1] >= SpaceOptions().min_density]
    lines = [f"{len(points):,} combinations, {non_dominated(points).sum()} on the front", ""]
    for scale, scaled in (("linear", lambda p: p), ("logarithmic", logarithmic)):
        exact = hypervolume(scaled(points))
        lines += [f"| {scale}: of {exact:.4f} | 25 | 50 | 100 |", "|---|---|---|---|"]
        for entry, runs in read(folder).items():
            cells = [cell([scaled(p) for p in runs], count, exact) for count in (25, 50, 100)]
            lines.append(f"| {entry} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def cell(runs: list[Floats], count: int, exact: float) -> str:
    """Mean share and the least of the seeds."""
    shares = [hypervolume(p[:count]) / exact for p in runs if len(p) >= count]
    return f"{mean(shares):.4f}, least {min(shares):.4f} ({len(shares)})" if shares else ""


def main() -> None:
    """Enumerate, or read what was enumerated, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--levels", type=int, default=14)
    parser.add_argument("--out", type=Path, default=Path("runs/bench-search"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    folder = given.out / NAME
    file = folder / f"exact-{given.levels}.npy"
    if not file.exists():
        np.save(file, enumerated(arena(NAME, folder / "cache"), given.levels))
    print(shown(np.load(file), folder))


if __name__ == "__main__":
    main()
