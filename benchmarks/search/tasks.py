"""What is searched: ready-made models with trials made cheap, the same for every strategy.

A trial prunes, reconstructs, re-estimates BatchNorm, fits the output layer and measures on a fixed
head of the validation split, in process. Only quality is measured; costs are the arithmetic that
the space uses too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hierprune.data.rows import Rows
from hierprune.objectives.base import measure_quality
from hierprune.pruners.calibration import Calibration
from hierprune.pruners.cost import CostModel
from hierprune.pruners.dense import Dense
from hierprune.pruners.plan import PruningPlan, Recovery
from hierprune.pruners.prune import apply_plan
from hierprune.search.front import Axis
from hierprune.search.goal import Goal
from hierprune.search.space import Kind, Landscape, SearchSpace, SpaceOptions
from hierprune.studies.begin import settled
from hierprune.studies.dense import default_cache, dense_model
from hierprune.studies.guess import guessing
from hierprune.studies.prepare import fill_saliency, landscapes, prepare
from hierprune.studies.source import TaskSource
from hierprune.task import Task


@dataclass(frozen=True)
class Setting:
    """One contest.

    Attributes:
        example: name of the ready-made task.
        granularity: what is pruned.
        budget: the cost to be lowered, which the global density counts too.
        val: validation samples of a trial.
        calibration: training samples for BatchNorm's statistics and the output layer.
    """

    example: str
    granularity: str
    budget: str
    val: int = 1000
    calibration: int = 512


SETTINGS: Mapping[str, Setting] = {
    "resnet-channel": Setting("resnet20-fashion", "channel", "macs"),
    "resnet-weight": Setting("resnet20-fashion", "weight", "params"),
    "lenet-channel": Setting("lenet5-mnist", "channel", "params"),
    "lenet-weight": Setting("lenet5-mnist", "weight", "params"),
    "small-channel": Setting("lenet5-small-mnist", "channel", "params"),
    "gru-channel": Setting("gru-g2p", "channel", "params", val=500),
    "gru-weight": Setting("gru-g2p", "weight", "params", val=500),
    "minilm-channel": Setting("minilm-sentiment", "channel", "params"),
}


@dataclass(frozen=True, eq=False)
class Arena:
    """A contest made ready.

    Attributes:
        setting: what it is.
        task: with the validation samples of a trial.
        dense: the model.
        options: of the space, as they suit the model.
        landscapes: by granularity.
        goal: the first metric and the cost.
        charge: what the one-layer sensitivities cost, in trials on the whole validation split; 0
            without them.
    """

    setting: Setting
    task: Task
    dense: Dense
    options: SpaceOptions
    landscapes: Mapping[str, Landscape]
    goal: Goal
    charge: float

    def space(self, kind: Kind, sensitivities: bool) -> SearchSpace:
        """The space of one kind, with or without the allocation by one-layer sensitivities."""
        options = self.options if kind == "auto" else replace(self.options, kind=kind)
        if not sensitivities:
            options = replace(options, allocations=SpaceOptions().allocations)
        return SearchSpace(options, self.landscapes, Recovery())

    @property
    def cost(self) -> CostModel:
        """What widths cost."""
        return self.landscapes[self.setting.granularity].cost

    def measure(self, plan: PruningPlan) -> dict[str, float]:
        """Run one trial: every quality, and the cost relative to dense."""
        model, _ = apply_plan(self.dense, plan)
        found = measure_quality(model, self.task, "val")
        share = self.cost.share(self.cost.vector(plan.density), self.setting.budget)
        return {name: m.value for name, m in found.items()} | {self.setting.budget: share}


def arena(name: str, cache: Path, *, sensitivities: bool = False) -> Arena:
    """Make a contest ready; what was found once is read from ``cache``.

    Args:
        name: of the contest.
        cache: a folder.
        sensitivities: measure one-layer sensitivities too, which takes long.
    """
    setting = SETTINGS[name]
    whole = TaskSource(setting.example).load()
    model = dense_model(whole, default_cache())
    dense = prepare(whole, model, cache)
    assert isinstance(whole.val, Rows)
    rows = torch.arange(min(setting.val, len(whole.val.targets)))
    task = replace(whole, val=replace(whole.val.part(rows), batch=250))
    options = SpaceOptions(granularities=(setting.granularity,), budget=setting.budget)
    if sensitivities:
        bases = {g: (*names, "dp") for g, names in options.allocations.items()}
        options = replace(options, allocations=bases)
    options = settled(options, dense.tree)
    fill_saliency(dense, options, cache)
    start = time.process_time()
    found = landscapes(dense, options, Recovery(), cache)
    spent = time.process_time() - start
    file = cache / f"charge-{setting.granularity}.txt"
    charge = kept_number(file, spent, whole, dense, setting) if sensitivities else 0.0
    small = replace(dense, calibration=Calibration.of(whole, setting.calibration))
    metric = next(iter(whole.metrics))
    values = {n: m.value for n, m in measure_quality(model, task, "val").items()}
    guess = guessing(task, model, values)
    axes = (
        Axis(metric, whole.metric(metric).direction, values[metric], guess[metric]),
        Axis(setting.budget, "minimize", 1.0),
    )
    goal = Goal(axes, (), values | {setting.budget: 1.0}, guess)
    return Arena(setting, task, small, options, found, goal, charge)


def kept_number(file: Path, spent: float, task: Task, dense: Dense, setting: Setting) -> float:
    """Trials that ``spent`` seconds are worth, as measured when the cache was made.

    A trial is one at a density of one half on the whole validation split, as a study runs it.
    """
    if not file.exists():
        plan = PruningPlan(
            setting.granularity,
            "activation" if setting.granularity == "channel" else "l1",
            "uniform",
            0.0,
            setting.budget,
            {g.name: 0.5 for g in dense.units(setting.granularity)},
        )
        start = time.process_time()
        measure_quality(apply_plan(dense, plan)[0], task, "val")
        file.write_text(f"{spent / (time.process_time() - start):.3f}\n")
    return float(file.read_text())
