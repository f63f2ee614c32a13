"""What each step of recovery gives back, at equal plans: one Markdown table per task.

    python benchmarks/recovery/run.py TASK... [--densities 0.7 0.5 0.3] [--epochs 1] [--lr 0.001]

Every row is one plan: channels, the same share of units in every group, as many units as make
that share of the parameters. Its columns add one step after the other and are measured on
validation data. Data are found as the tasks find them (HIERPRUNE_DATA).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from hierprune.objectives.base import Measurement, measure_quality
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import BARE, PruningPlan, Recovery
from hierprune.pruners.prune import apply_plan, at_density
from hierprune.pruners.training import train
from hierprune.pruners.tree import kept_positions
from hierprune.studies.dense import default_cache, dense_model
from hierprune.studies.prepare import prepare
from hierprune.studies.source import TaskSource
from hierprune.task import Task

STEPS = {
    "cut": BARE,
    "+ recalibrate": replace(BARE, recalibrate=True),
    "+ reconstruct": Recovery(refit=False),
    "+ output layer": Recovery(),
}
BASE = PruningPlan("channel", "activation", "uniform", 0.0, "params", {})


@dataclass(frozen=True)
class Setting:
    """What is run on every task."""

    densities: tuple[float, ...]
    epochs: float
    lr: float


def compare(name: str, setting: Setting) -> None:
    """Print the table of one task."""
    task = TaskSource(name).load()
    model = dense_model(task, default_cache())
    with tempfile.TemporaryDirectory() as cache:
        dense = prepare(task, model, Path(cache))
    first = next(iter(task.metrics))
    whole = measure_quality(model, task, "val")[first]
    print(f"\n### {name}\n\n{described(task, model, first, whole)}\n")
    steps = [*STEPS, f"+ {setting.epochs:g} epoch"]
    print(
        "| params | MACs | dense | " + " | ".join(steps) + " |\n" + "|---" * (3 + len(steps)) + "|"
    )
    for density in setting.densities:
        plan = at_density(dense, BASE, density)
        cells = [*shares(dense, plan), whole.value, *recovered(dense, task, plan, setting)]
        print("| " + " | ".join(f"{cell:.3f}" for cell in cells) + " |", flush=True)
    print(f"\n{left_alone(dense, plan)}")


def described(task: Task, model: nn.Module, metric: str, whole: Measurement) -> str:
    """One line on the task: size, metric, how exactly it is known."""
    count = sum(p.numel() for p in model.parameters())
    samples = sum(len(targets) for _, targets in task.batches("val"))
    half = whole.value - (whole.low if whole.low is not None else whole.value)
    return (
        f"{count:,} parameters; `{metric}` on {samples:,} validation samples of {task.data}, "
        f"95 % interval of the dense model ±{half:.3f}."
    )


def shares(dense: Dense, plan: PruningPlan) -> tuple[float, float]:
    """Parameters and MACs that stay, relative to dense."""
    cost = CostModel.of(dense.tree, plan.granularity)
    widths = cost.vector(plan.density)
    return cost.share(widths, "params"), cost.share(widths, "macs")


def recovered(dense: Dense, task: Task, plan: PruningPlan, setting: Setting) -> Iterator[float]:
    """The metric after every step."""
    for recovery in STEPS.values():
        model, _ = apply_plan(dense, replace(plan, recovery=recovery))
        yield quality(model, task)
    train(model, task, setting.epochs, lr=setting.lr)
    yield quality(model, task)


def quality(model: nn.Module, task: Task) -> float:
    """The task's first metric on validation data."""
    return measure_quality(model, task, "val")[next(iter(task.metrics))].value


def left_alone(dense: Dense, plan: PruningPlan) -> str:
    """Which weights lost inputs and were not solved anew."""
    _, plan = apply_plan(dense, replace(plan, recovery=STEPS["cut"]))
    sizes = {name: tuple(t.shape) for name, t in dense.model.state_dict().items()}
    kept = kept_positions(dense.tree.groups, sizes, plan.keep or {})
    solved = {
        n: stats.use.in_dim for n, stats in dense.statistics.items() if stats.gram is not None
    }
    tables = {f"{n}.weight" for n, m in dense.model.named_modules() if isinstance(m, nn.Embedding)}
    left = sorted(n for n, d in kept if d == 1 and n not in tables and solved.get(n) != d)
    return f"Inputs cut, not reconstructed: {', '.join(left) or 'none'}."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tasks that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="+", metavar="TASK")
    parser.add_argument("--densities", nargs="+", type=float, default=[0.7, 0.5, 0.3])
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--lr", type=float, default=1e-3)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in given.tasks:
        start = time.perf_counter()
        compare(name, Setting(tuple(given.densities), given.epochs, given.lr))
        print(f"\n{time.perf_counter() - start:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
