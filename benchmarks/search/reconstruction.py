"""What reconstruction costs and gives inside a trial of the residual network.

    python -m hierprune.benchmarks.search.reconstruction [--shares 0.6 0.4 0.25]

ResNet-20 on Fashion-MNIST, one density for all groups, chosen to leave a share of the dense
multiply-accumulates. A trial is what a study runs: cut, reconstruct, re-estimate BatchNorm on 1,024
training samples, fit the output layer, measure on the validation samples that the search sees.
Printed are the share of reconstruction, the output layer's fit included, in its processor time
(median of several), and accuracy before any training without any recovery, with BatchNorm alone,
with reconstruction alone, with both but for the output layer, and with all.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from hierprune.objectives.base import measure_quality
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import BARE, PruningPlan, Recovery
from hierprune.pruners.prune import apply_plan, at_density
from hierprune.studies.dense import default_cache, dense_model
from hierprune.studies.holdback import searched
from hierprune.studies.prepare import prepare
from hierprune.studies.source import TaskSource
from hierprune.task import Task

REPEATS = 7
CRITERIA = ("activation", "taylor", "l1")
RECOVERIES = (
    BARE,
    replace(BARE, recalibrate=True),
    Recovery(recalibrate=False),
    Recovery(refit=False),
    Recovery(),
)


def seconds(run: Callable[[], Any]) -> float:
    """Processor time of one call, the median of several."""
    found = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return median(found)


def share_of_time(dense: Dense, task: Task, plan: PruningPlan) -> float:
    """Part of a trial that goes into reconstruction."""
    cut = replace(plan, recovery=BARE)
    solved = replace(plan, recovery=RECOVERIES[2])

    def trial() -> None:
        measure_quality(apply_plan(dense, plan)[0], task, "val")

    extra = seconds(lambda: apply_plan(dense, solved)) - seconds(lambda: apply_plan(dense, cut))
    return extra / seconds(trial)


def accuracy(dense: Dense, task: Task, plan: PruningPlan) -> float:
    """Accuracy of a plan's model on validation data."""
    return measure_quality(apply_plan(dense, plan)[0], task, "val")["accuracy"].value


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shares", nargs="+", type=float, default=[0.6, 0.4, 0.25])
    given = parser.parse_args()
    torch.set_num_threads(1)
    whole = TaskSource("resnet20-fashion").load()
    model = dense_model(whole, default_cache())
    task = searched(whole, held_back=True)
    with tempfile.TemporaryDirectory() as cache:
        dense = prepare(task, model, Path(cache))
    print("| MACs | criterion | share of time | cut | BatchNorm | reconstruction | no fit | all |")
    print("|---" * 8 + "|")
    for share in given.shares:
        for criterion in CRITERIA:
            base = PruningPlan("channel", criterion, "uniform", 0.0, "macs", {})
            plan = at_density(dense, base, share)
            cells = [accuracy(dense, task, replace(plan, recovery=r)) for r in RECOVERIES]
            row = [share_of_time(dense, task, plan), *cells]
            shown = " | ".join(f"{value:.3f}" for value in row)
            print(f"| {1 - plan.ratio:.3f} | {criterion} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
