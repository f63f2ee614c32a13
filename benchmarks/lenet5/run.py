"""Train, prune and test every model of the table; one line of a file for each that is finished.

    python -m hierprune.benchmarks.lenet5.run [--fast] [--seeds 0 1 2] [--only NAME] [--out DIR]

A run that was stopped goes on where it was, to within one pass over the data. The test split is
read once for every finished model; nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hierprune.examples.lenet.model import LeNet5
from hierprune.objectives.base import measure_quality
from hierprune.objectives.macs import count_macs
from hierprune.objectives.packing import load_state, save_state, stored_bytes
from hierprune.pruners.calibration import Calibration, input_statistics
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.prune import apply_plan, at_density, drop_weights
from hierprune.pruners.schedules.course import Ears, Learning, train_to_plan
from hierprune.pruners.tree_cache import find_tree
from hierprune.studies.checkpoint import load_snapshot, save_snapshot
from hierprune.task import Task

from .merging import with_components
from .points import GROUPS, POINTS, Point
from .task import lenet5
from .tidy import build, count, tidy, trimmed


@dataclass(frozen=True)
class Setting:
    """How long everything is trained, and where it is kept.

    Attributes:
        share: of the epochs of every point.
        out: folder of weights, unfinished trainings and rows.
    """

    share: float
    out: Path

    @property
    def rows(self) -> Path:
        """One finished model a line."""
        return self.out / "rows.jsonl"

    def weights(self, point: Point, seed: int) -> Path:
        """Where the finished weights are kept."""
        return self.out / f"{slug(point)}-{seed}.safetensors"


def slug(point: Point) -> str:
    """The name for files."""
    return "".join(c if c.isalnum() else "-" for c in point.name)


def finish(point: Point, seed: int, setting: Setting) -> dict[str, Any]:
    """Train one model, or go on with it, and test it."""
    clock = time.process_time()
    task = lenet5(point.widths, moves=point.moves)
    start = starting_point(task, point, seed, setting)
    plan = plan_of(point, start, seed, setting)
    mark = {"plan": plan.to_json(), "point": point.name}
    file = setting.weights(point, seed).with_suffix(".unfinished")
    since = load_snapshot(file, mark) if file.exists() else None
    ears = Ears(passed=lambda snapshot: save_snapshot(snapshot, mark, file))
    learning = Learning(point.decay, "bfloat16", average=0.1)
    model, _ = train_to_plan(start, plan, task, learning=learning, ears=ears, since=since)
    assert isinstance(model, LeNet5)
    if point.granularity == "weight":
        model = trimmed(model, point.limit).eval()
    temper(model, point.sharpness)
    save_state(model.state_dict(), setting.weights(point, seed))
    file.unlink(missing_ok=True)
    found = measure_quality(model, task, "test")
    return {
        "point": point.name,
        "seed": seed,
        "epochs": plan.recovery.epochs,
        "accuracy": found["accuracy"].value,
        "loss": found["loss"].value,
        "params": count(model),
        "macs": count_macs(model, task.example()),
        "bytes": stored_bytes(model.state_dict()),
        "cpu_seconds": round(time.process_time() - clock, 1),
    }


@torch.no_grad()
def temper(model: LeNet5, sharpness: float) -> None:
    """Scale the logits, in place: classes stay the same, their probabilities do not."""
    model.fc2.weight *= sharpness
    model.fc2.bias *= sharpness


def starting_point(task: Task, point: Point, seed: int, setting: Setting) -> Dense:
    """The finished model that the point starts from; for networks trained as they are, a new one.

    Calibration data are those of the task.
    """
    if point.start:
        origin = next(p for p in POINTS if p.name == point.start)
        model = build(load_state(setting.weights(origin, seed)))
    else:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = LeNet5(*point.widths)
    if point.merged:
        model = merged(model, task, point, seed, setting)
    return known(model, task)


def known(model: LeNet5, task: Task) -> Dense:
    """A model with what pruning needs to know of it."""
    calibration = Calibration.of(task)
    tree = find_tree(model.eval(), task.example())
    return Dense(model, tree, calibration, input_statistics(model, calibration))


def merged(model: LeNet5, task: Task, point: Point, seed: int, setting: Setting) -> LeNet5:
    """The model cut to the point's widths, with components of its first filters alone."""
    count = point.widths[0]
    batches = Calibration.of(task).batches
    images = torch.cat([inputs for inputs, _ in batches if isinstance(inputs, Tensor)])
    wide = known(with_components(model, images, count), task)
    scores = wide.scores("activation", "channel")
    last = torch.arange(float(len(scores["conv1"])))
    chosen = replace(wide, saliency={("activation", "channel"): {**scores, "conv1": last}})
    cut, _ = apply_plan(chosen, plan_of(point, chosen, seed, setting))
    assert isinstance(cut, LeNet5)
    return cut


def plan_of(point: Point, start: Dense, seed: int, setting: Setting) -> PruningPlan:
    """What is asked of the training."""
    schedule = "global" if point.granularity == "weight" else "oneshot"
    recovery = Recovery(epochs=setting.share * point.epochs, lr=point.rate, schedule=schedule)
    if point.granularity == "weight":
        plan = PruningPlan("weight", "l1", "lamp", 0.0, "units", {}, recovery, seed)
        return at_density(start, plan, weights_left(start, plan, point.limit))
    now = (len(start.model.get_parameter(f"{name}.bias")) for name in GROUPS)
    widths = zip(GROUPS, point.widths, now, strict=True)
    shares = {name: width / was for name, width, was in widths if width < was}
    return PruningPlan("channel", "activation", "given", 0.0, "params", shares, recovery, seed)


def weights_left(start: Dense, plan: PruningPlan, limit: int) -> float:
    """Share of the weights to keep, so that with the biases of living units a limit is met.

    How many will live is foreseen by pruning at once.
    """
    weights = sum(p.numel() for p in start.model.parameters() if p.dim() > 1)
    pruned = drop_weights(start, at_density(start, plan, limit / weights))
    assert isinstance(pruned, LeNet5)
    biases = sum(p.numel() for p in tidy(pruned).parameters() if p.dim() == 1)
    return (limit - biases) / weights


def read(rows: Path) -> list[dict[str, Any]]:
    """The finished models."""
    return [json.loads(line) for line in rows.read_text().splitlines()] if rows.exists() else []


def main(arguments: Sequence[str] | None = None) -> None:
    """Finish what is not finished yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="a quarter of the epochs, one seed")
    parser.add_argument("--seeds", nargs="+", type=int)
    parser.add_argument("--only", action="append", choices=[p.name for p in POINTS])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    name = "fast" if given.fast else "full"
    setting = Setting(0.25 if given.fast else 1.0, given.out or Path("runs/lenet5") / name)
    setting.out.mkdir(parents=True, exist_ok=True)
    for seed in given.seeds or ([0] if given.fast else [0, 1, 2]):
        for point in POINTS:
            if given.only and point.name not in given.only:
                continue
            if not is_done(read(setting.rows), point, seed):
                row = finish(point, seed, setting)
                with setting.rows.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(json.dumps(row), flush=True)


def is_done(rows: Sequence[Mapping[str, Any]], point: Point, seed: int) -> bool:
    """Whether the row is there."""
    return any(row["point"] == point.name and row["seed"] == seed for row in rows)


if __name__ == "__main__":
    main()
