"""What a search makes of validation noise: its front as searched, scored again, and on fresh data.

    python benchmarks/search/noise.py OUT.jsonl --example resnet20-fashion --val 2000 --trials 60

One line a seed: the hypervolume of the front that the search saw, on the samples that it saw, on
those held back and on fresh ones; that of the front scored anew, as reported and on fresh samples.
These are of the validation split too, behind those that the study was given. Optimism is by how
much the accuracy of the models falls behind there, on average and beside the dense model's. Seeds
that are in the file are not run again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from hierprune.copies import copy_model
from hierprune.data.rows import Rows
from hierprune.objectives.base import measure_quality
from hierprune.search.front import coordinates, hypervolume, non_dominated
from hierprune.search.goal import Goal
from hierprune.search.history import Record
from hierprune.search.space import SpaceOptions
from hierprune.studies.dense import default_cache, dense_model
from hierprune.studies.guess import guessing
from hierprune.studies.holdback import unseen
from hierprune.studies.launch import launch_study
from hierprune.studies.recipe import Journey
from hierprune.studies.request import Means, Request
from hierprune.studies.rescore import final_form
from hierprune.studies.source import TaskSource
from hierprune.task import Split, Task

FRESH = 5000
"""Fresh samples at most; they stand in the place of the test split, which is left alone."""


def main() -> None:
    """Append the seeds that are missing in the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--example", default="resnet20-fashion")
    parser.add_argument("--val", type=int, default=2000)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    task = trained(given.example, given.val)
    known = given.out.read_text().splitlines() if given.out.exists() else []
    done = {json.loads(line)["seed"] for line in known}
    for seed in sorted(set(range(given.seeds)) - done):
        with tempfile.TemporaryDirectory() as folder:
            row = one(task, seed, given.trials, Path(folder) / "run")
        with given.out.open("a") as file:
            file.write(json.dumps(row) + "\n")


@dataclass(frozen=True)
class Copies:
    """Builds copies of a trained model."""

    model: nn.Module

    def __call__(self) -> nn.Module:
        """A copy."""
        return copy_model(self.model)


def trained(example: str, val: int) -> Task:
    """The task with its trained model, the head of its validation split, and fresh samples."""
    task = TaskSource.parse(example).load()
    model = dense_model(task, default_cache())
    rows = task.val
    assert isinstance(rows, Rows)
    places = torch.arange(len(rows.targets))
    heads = {
        "val": replace(rows.part(places[:val]), batch=250),
        "test": replace(rows.part(places[val : val + FRESH]), batch=250),
    }
    return replace(task, build_model=Copies(model), training=None, **heads)


def one(task: Task, seed: int, trials: int, run: Path) -> dict[str, float]:
    """A study, and its front wherever it can be looked at."""
    start = time.process_time()
    request = Request(
        objectives=("accuracy", "macs"), space=SpaceOptions(budget="macs"), trials=trials, seed=seed
    )
    study = launch_study(task, run, request, Means(workers=0))
    seconds = time.process_time() - start
    known, asked = study.searched(), study.asked.goal()
    front = [r for r, best in zip(known, best_of(asked, known), strict=True) if best]
    final, scores = study.front_records(), study.rescoring.trials
    journey = study.journey(task)
    unseen_task, tested = unseen(journey.task), test_goal(asked, task, journey)
    before = {
        t.number: final_form(journey, t, None)[0]
        for t, _ in study.trials_of([r.number for r in front])
    }
    after = {
        t.number: final_form(journey, t, scores[t.number])[0]
        for t, _ in study.trials_of([r.number for r in final])
    }
    seen, hidden = measure_on(before, journey.task, "val"), measure_on(after, unseen_task, "val")
    plain = measure_on(before, unseen_task, "val")
    tests = [measure_on(models, task, "test") for models in (before, after)]
    dense = {0: journey.dense.model}
    whole = [
        measure_on(dense, part, split)[0]
        for part, split in ((journey.task, "val"), (unseen_task, "val"), (task, "test"))
    ]
    return {
        "optimism_searched": optimism(seen, tests[0], whole[0] - whole[2]),
        "optimism_rescored": optimism(hidden, tests[1], whole[1] - whole[2]),
        "seed": seed,
        "front": len(front),
        "final": len(final),
        "sequential": sum(scores[r.number].sequential > 0 for r in final),
        "searched": volume(asked, [dict(r.values) for r in front]),
        "held_back": volume(study.record.goal(), rows_of(plain, front)),
        "fresh": volume(tested, rows_of(tests[0], front)),
        "rescored": round(study.hypervolume(), 5),
        "rescored_fresh": volume(tested, rows_of(tests[1], final)),
        "trial_seconds": sum(sum(r.seconds.values()) for r in known),
        "seconds": seconds,
    }


def best_of(goal: Goal, records: list[Record]) -> list[bool]:
    """Which are non-dominated."""
    return non_dominated(coordinates(goal.axes, [r.values for r in records])).tolist()


def measure_on(models: Mapping[int, nn.Module], task: Task, split: Split) -> dict[int, float]:
    """Accuracies on a split."""
    return {n: measure_quality(m, task, split)["accuracy"].value for n, m in models.items()}


def optimism(shown: Mapping[int, float], test: Mapping[int, float], shift: float) -> float:
    """By how much models look better than on fresh samples, on average, beside dense."""
    return round(sum(shown[n] - test[n] for n in shown) / len(shown) - shift, 5)


def rows_of(accuracy: Mapping[int, float], records: list[Record]) -> list[dict[str, float]]:
    """Values of trials with these accuracies, the costs as they are."""
    return [{"accuracy": accuracy[r.number], "macs": r.values["macs"]} for r in records]


def test_goal(goal: Goal, task: Task, journey: Journey) -> Goal:
    """The goal beside the dense model on fresh samples."""
    found = measure_quality(journey.dense.model, task, "test")
    values = {name: m.value for name, m in found.items()}
    guess = guessing(replace(task, val=task.test), journey.dense.model, values)
    both = {"dense": values["accuracy"], "guess": guess["accuracy"]}
    axes = [replace(a, **both) if a.name == "accuracy" else a for a in goal.axes]
    return replace(goal, axes=tuple(axes))


def volume(goal: Goal, rows: list[dict[str, float]]) -> float:
    """Hypervolume; 1 = dense accuracy at no cost."""
    return round(hypervolume(coordinates(goal.axes, rows)), 5)


if __name__ == "__main__":
    main()
