"""What fronts are worth on samples that no search saw.

    python -m hierprune.benchmarks.search.fresh TASK... [--most 3000] [--out runs/bench-search]

The plans of every run's front, after each number of trials, are measured again on validation
samples that trials did not use; on the test split where trials used all of them, as on MiniLM.
Printed are tables like those of ``table``: hypervolumes of these values, of the plans that each
search would have handed back, relative to the union of all of them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import torch

from hierprune.data.rows import Rows
from hierprune.objectives.base import measure_quality
from hierprune.pruners.prune import apply_plan
from hierprune.search.front import Axis, Floats, hypervolume, non_dominated
from hierprune.studies.guess import guessing
from hierprune.studies.source import TaskSource
from hierprune.task import Task

from .contest import ENTRIES, continued, rows, space_of
from .table import CHECKPOINTS, logarithmic, shares_cell
from .tasks import SETTINGS, Arena, arena

FEWEST = 1000
"""Unused validation samples that are enough."""
Played = Mapping[str, Sequence[Mapping[str, Any]]]
"""Rows by run."""


def unseen(ready: Arena, most: int) -> Rows:
    """Samples of a contest that its trials do not use."""
    whole = TaskSource(ready.setting.example).load()
    assert isinstance(whole.val, Rows)
    assert isinstance(whole.test, Rows)
    left = whole.val.part(torch.arange(len(whole.val.targets))[ready.setting.val :])
    rest = left if len(left.targets) >= FEWEST else whole.test
    first = torch.arange(min(most, len(rest.targets)))
    return replace(rest.part(first), batch=250)


def fronts(points: Floats) -> Mapping[int, list[int]]:
    """Positions of the non-dominated of the first n trials, by n."""
    counts = [n for n in CHECKPOINTS if n <= len(points)]
    return {n: np.flatnonzero(non_dominated(points[:n])).tolist() for n in counts}


def measured(
    ready: Arena, samples: Rows, played: Played, folder: Path
) -> dict[str, dict[int, float]]:
    """The first metric of every front's plans by run and trial; goes on where it was stopped."""
    metric, count = ready.goal.axes[0].name, len(samples.targets)
    task, file = replace(ready.task, val=samples), folder / f"fresh-{count}.jsonl"
    found: dict[str, dict[int, float]] = defaultdict(dict)
    with filelock.FileLock(file.with_suffix(".lock")):
        for row in rows(file):
            found[row["run"]][row["trial"]] = row[metric]
        with continued(file) as out:
            for run, trials in played.items():
                space = space_of(ready, ENTRIES[run.rpartition("-")[0]])
                points = np.array([trial["point"] for trial in trials])
                wanted = {i for front in fronts(points).values() for i in front}
                for i in sorted(wanted - set(found[run])):
                    model, _ = apply_plan(ready.dense, space.plan(trials[i]["params"]))
                    value = measure_quality(model, task, "val")[metric].value
                    out.write(json.dumps({"run": run, "trial": i, metric: value}) + "\n")
                    out.flush()
                    found[run][i] = value
    return found


def runs(folder: Path) -> Played:
    """Rows of all runs in a folder, by entry and seed."""
    files = [f for entry in ENTRIES for f in sorted(folder.glob(f"{entry}-[0-9]*.jsonl"))]
    return {file.stem: rows(file) for file in files}


def tables(ready: Arena, samples: Rows, folder: Path) -> str:
    """The tables of one contest."""
    axis = fresh_axis(ready, replace(ready.task, val=samples))
    played = runs(folder)
    values = measured(ready, samples, played, folder)
    found: dict[str, dict[int, list[Floats]]] = defaultdict(lambda: defaultdict(list))
    for run, trials in played.items():
        points = np.array([trial["point"] for trial in trials])
        for count, front in fronts(points).items():
            again = [[axis(values[run][i]), points[i, 1]] for i in front]
            found[run.rpartition("-")[0]][count].append(np.array(again))
    lines = [f"### {folder.name}, {len(samples.targets):,} fresh samples", ""]
    for scale, scaled in (("linear", lambda p: p), ("logarithmic", logarithmic)):
        shown = {
            entry: {n: [scaled(p) for p in sets] for n, sets in by_count.items()}
            for entry, by_count in found.items()
        }
        lines += [f"Cost on a {scale} scale:", "", *body(shown), ""]
    return "\n".join(lines)


def fresh_axis(ready: Arena, task: Task) -> Axis:
    """The quality's axis, from the dense model's value on these samples to that of guessing."""
    axis = ready.goal.axes[0]
    dense = {n: m.value for n, m in measure_quality(ready.dense.model, task, "val").items()}
    guess = guessing(task, ready.dense.model, dense)
    return replace(axis, dense=dense[axis.name], guess=guess[axis.name])


def body(found: Mapping[str, Mapping[int, Sequence[Floats]]]) -> list[str]:
    """Rows of a table: mean over seeds +- standard deviation (seeds)."""
    everything = [p for by_count in found.values() for sets in by_count.values() for p in sets]
    best = hypervolume(np.concatenate(everything))
    lines = [
        f"| of {best:.4f} | " + " | ".join(map(str, CHECKPOINTS)) + " |",
        "|---" * (len(CHECKPOINTS) + 1) + "|",
    ]
    for entry, by_count in found.items():
        cells = [
            shares_cell([hypervolume(p) / best for p in by_count.get(n, [])]) for n in CHECKPOINTS
        ]
        lines.append(f"| {entry} | " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is missing, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="+", metavar="TASK", help=", ".join(SETTINGS))
    parser.add_argument("--most", type=int, default=3000, help="samples at most")
    parser.add_argument("--out", type=Path, default=Path("runs/bench-search"))
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for name in given.tasks:
        folder = given.out / name
        ready = arena(name, folder / "cache")
        print(tables(ready, unseen(ready, given.most), folder), flush=True)


if __name__ == "__main__":
    main()
