"""Searched, picked, trained to recover, and the same architecture from scratch: a table per task.

    python benchmarks/recovered/run.py TASK... [--trials 30] [--params 0.3] [--epochs 4]
        [--lr 0.001] [--schedule oneshot] [--seed 0] [--data-dir DIR] [--out DIR]

The picked model is the most accurate of a search that has at most that share of the dense
parameters. It is trained by ``prune_task`` at the densities of its plan. From scratch: the picked
architecture with new weights, trained as long and at the same rate. The test split is read once
per model. Data are found as the tasks find them (HIERPRUNE_DATA).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

import hierprune
from hierprune.objectives.base import measure_quality
from hierprune.objectives.macs import count_macs
from hierprune.pruners.training import train
from hierprune.studies.dense import default_cache, dense_model
from hierprune.studies.source import TaskSource
from hierprune.task import Task

HEAD = ("", "parameters", "MACs", "validation", "test")


@dataclass(frozen=True)
class Setting:
    """What is run on every task.

    Attributes:
        trials: of the search.
        params: largest share of the dense parameters.
        epochs: of the recovery, and from scratch.
        lr: highest rate of both.
        schedule: of the recovery.
        seed: of everything.
        out: folder of the runs.
        data_dir: of the tasks' data, where they do not find them.
    """

    trials: int
    params: float
    epochs: float
    lr: float
    schedule: str
    seed: int
    out: Path
    data_dir: str | None


def compare(name: str, setting: Setting) -> None:
    """Print the table of one task."""
    source = TaskSource.parse(name, (), setting.data_dir)
    task = source.load()
    metric = next(iter(task.metrics))
    study = searched(source, task, setting)
    picked = study.pick(prefer=metric)
    folder = setting.out / f"{task.name}-picked"
    picked.save(folder)
    trained = hierprune.prune_task(
        source,
        setting.out / f"{task.name}-trained",
        plan=folder / "plan.json",
        schedule=setting.schedule,
        epochs=setting.epochs,
        lr=setting.lr,
        seed=setting.seed,
    )
    fresh = from_scratch(picked.model, task, setting)
    own = [measure_quality(fresh, task, split)[metric].value for split in ("val", "test")]
    print(f"\n### {task.name}\n\nFront, {metric} at parameters: {points(study, metric)}.\n")
    print("| " + " | ".join(HEAD) + " |\n" + "|---" * len(HEAD) + "|")
    dense = dense_model(task, default_cache())
    found = measure_quality(picked.model, task, "val")[metric].value
    show("dense", dense, task, trained.dense[metric], picked.dense_test[metric])
    show("picked", picked.model, task, found, picked.test[metric])
    show("recovered", trained.model, task, trained.values[metric], trained.test[metric])
    show("from scratch", fresh, task, *own)


def searched(source: TaskSource, task: Task, setting: Setting) -> hierprune.Study:
    """A finished search in the part of the space that is asked for."""
    return hierprune.launch(
        source,
        setting.out / f"{task.name}-run",
        trials=setting.trials,
        objectives=[next(iter(task.metrics)), "params"],
        where=[f"params <= {setting.params}"],
        min_density=setting.params / 3,
        seed=setting.seed,
        workers=1,
    )


def points(study: hierprune.Study, metric: str) -> str:
    """The front in a line, from the smallest model up."""
    front = study.front().sort_values("params")
    return ", ".join(
        f"{q:.3f} at {p:.2f}" for q, p in zip(front[metric], front["params"], strict=True)
    )


def from_scratch(model: nn.Module, task: Task, setting: Setting) -> nn.Module:
    """The same architecture with new weights, trained as long as the picked one."""
    fresh = copy.deepcopy(model)
    torch.manual_seed(setting.seed)
    for module in fresh.modules():
        reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
        if reset is not None:
            reset()
    train(fresh, task, setting.epochs, lr=setting.lr, seed=setting.seed)
    return fresh.eval()


def show(name: str, model: nn.Module, task: Task, val: float, test: float) -> None:
    """Print one row."""
    params = sum(p.numel() for p in model.parameters())
    macs = count_macs(model, task.example())
    print(f"| {name} | {params:,} | {macs:,.0f} | {val:.4f} | {test:.4f} |", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the tasks that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="+", metavar="TASK")
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--params", type=float, default=0.3)
    parser.add_argument("--epochs", type=float, default=4.0)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--schedule", default="oneshot")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/recovered"))
    parser.add_argument("--data-dir")
    given = vars(parser.parse_args(arguments))
    torch.set_num_threads(1)
    tasks = given.pop("tasks")
    for name in tasks:
        compare(name, Setting(**given))


if __name__ == "__main__":
    main()
