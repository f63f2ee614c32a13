"""From a request to a run folder that is ready to run: everything checked before it is made."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from .. import __version__
from ..errors import UsageError
from ..objectives.base import Candidate, Objective
from ..objectives.constraint import Constraint, conjunction
from ..objectives.latency import Latency
from ..objectives.modes import measuring
from ..objectives.registry import defaults, names, objective
from ..pruners.cost import CostModel
from ..pruners.dense import Dense
from ..pruners.tree import ModelTree
from ..search.space import SpaceOptions
from ..task import Task
from .align import liked_multiple
from .book import open_study
from .dense import default_cache, dense_model
from .fingerprint import data_sha256
from .guess import guessing
from .holdback import ENOUGH, can_hold_back, searched
from .int8 import try_int8
from .latency import latency_of
from .machine import machine
from .pending import Pending, exists
from .prepare import CACHE, check_prunable, fill_saliency, hierarchy, landscapes, prepare
from .profile_cost import profile_costs
from .progress import Progress
from .recipe import measured
from .request import Request
from .run_record import REQUEST, DenseInfo, ObjectiveInfo, RunRecord
from .source import TaskSource
from .storage import open_storage

ALWAYS = ("params", "macs", "compression")
"""Costs that are exact and cheap: measured on every trial, whatever the objectives."""
WHOLE = (
    f"no validation samples are held back: there are fewer than {ENOUGH:,}, their order changes, "
    f"or batches cannot be taken apart"
)
PACKAGES = ("torch", "optuna", "numpy")


def new_folder(run: str | Path | None, name: str) -> Path:
    """Where a new study goes; nothing is made yet.

    Raises:
        UsageError: it exists, or cannot be made there.
    """
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = Path(run) if run is not None else Path("runs") / f"{name}-{stamp}"
    if folder.exists() or folder.is_symlink():
        raise UsageError(exists(folder))
    parent = next(p for p in folder.absolute().parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise UsageError(f"cannot make {folder}: {parent} is no folder that can be written to")
    return folder


def objectives_to_measure(task: Task, request: Request) -> list[Objective]:
    """Everything to measure on every trial: the objectives first, then what constraints may use.

    Raises:
        UsageError: an unknown objective, here or in a constraint.
    """
    chosen = request.objectives or defaults(task)
    known = [*dict.fromkeys([*names(task), *chosen])]
    constraints = [Constraint.parse(text, known) for text in request.where]
    constraints += conjunction(request.stop.until, known)
    constrained = [c.objective for c in constraints]
    wanted = dict.fromkeys([*chosen, *task.metrics, "loss", *ALWAYS, *constrained])
    return [objective(name, task) for name in wanted]


def prepare_study(folder: Path, pending: Pending, task: Task, progress: Progress) -> RunRecord:
    """Train the dense model, measure everything that trials share, and write ``run.json``.

    What can be pruned is found before the training, which may be long.

    Raises:
        UsageError: nothing can be pruned, or a value of the dense model is not finite.
    """
    request, cache = pending.request, folder / CACHE
    measures = objectives_to_measure(task, request)
    shutil.rmtree(cache, ignore_errors=True)  # of an earlier attempt, with another model perhaps
    cache.mkdir()
    tree = hierarchy(task, task.build_model(), cache, progress.note)
    check_prunable(tree, request.space)
    check_bounds(settled(request.space, tree), request.where)
    check_runtime(task, request, measures)
    if task.training is not None:
        progress.note(f"training the dense model on {task.data or 'its data'}")
    model = dense_model(task, default_cache(), progress.share)
    dense = prepare(task, model, cache, progress.note)
    progress.note("measuring the dense model")
    space = settled(request.space, dense.tree)
    if space.align == "auto":
        space = replace(space, align=align_for(task, request, dense, progress))
    request = replace(request, space=space)
    fill_saliency(dense, request.space, cache)
    landscapes(dense, request.space, request.recovery, cache, progress)
    try_int8(dense, task, request, progress)
    measures = with_latency(measures, request, dense, task, cache, progress)
    held_back = request.hold_back and can_hold_back(task)
    if request.hold_back and not held_back:
        progress.note(WHOLE)
    for line in profile_costs(dense, searched(task, held_back), request, measures, cache):
        progress.note(line)
    progress.note("scoring the dense model")
    record = make_record(task, pending.source, request, dense, measures, held_back=held_back)
    if record.storage is not None:
        record = in_database(record, folder)
    record.save(folder)
    (folder / REQUEST).unlink(missing_ok=True)
    return record


def in_database(record: RunRecord, folder: Path) -> RunRecord:
    """The record with the study's name, under which it is in the database from now on."""
    record = replace(record, study=record.name_at(folder))
    storage = open_storage(folder, record.storage)
    open_study(storage, record.name_at(folder), record.directions)
    return record


def check_bounds(space: SpaceOptions, where: Sequence[str]) -> None:
    """Refuse a bound on what the density counts where all densities of the space are above it.

    In a flat space small groups add up to less than the lowest density.

    Raises:
        UsageError: no plan could satisfy it.
    """
    least = {space.budget: space.min_density}
    for constraint in map(Constraint.parse, where):
        counted = space.kind != "flat" and constraint.objective == space.budget
        if (
            counted
            and not constraint.holds(least, {space.budget: 1.0})
            and "<" in constraint.operator
        ):
            raise UsageError(
                f"no plan has {constraint}: the lowest density that is searched is "
                f"{space.min_density:g} of the {space.budget}; give --min-density"
            )


def check_runtime(task: Task, request: Request, measures: Sequence[Objective]) -> None:
    """Run the model on a runtime that takes files once, before a training that may be long.

    Raises:
        UsageError: it does not run there.
    """
    setting = request.latency.setting
    if not (setting.takes_files and any(isinstance(one, Latency) for one in measures)):
        return
    model = task.build_model()
    with measuring(model):
        open_model = setting.prepare(model, setting.inputs(task))
    try:
        open_model()()
    except RuntimeError as error:
        raise UsageError(str(error)) from error


def align_for(task: Task, request: Request, dense: Dense, progress: Progress) -> int:
    """The multiple of widths that suits the runtime; 1 where latency is no objective."""
    chosen = request.objectives or defaults(task)
    if Latency.name not in chosen or not dense.units("channel"):
        return 1
    if "channel" not in request.space.granularities:
        return 1
    return liked_multiple(request.latency.setting, dense, task, progress)


def with_latency(
    measures: Sequence[Objective],
    request: Request,
    dense: Dense,
    task: Task,
    cache: Path,
    progress: Progress,
) -> list[Objective]:
    """The objectives, latency as the request wants it."""
    return [
        latency_of(request.latency, dense, task, request.space, cache, progress=progress)
        if isinstance(o, Latency)
        else o
        for o in measures
    ]


def settled(space: SpaceOptions, tree: ModelTree) -> SpaceOptions:
    """The options as they suit the size of the model."""
    return space.settled({g: len(tree.units(g)) for g in space.granularities})


def make_record(
    task: Task,
    source: TaskSource | None,
    request: Request,
    dense: Dense,
    measures: Sequence[Objective],
    *,
    held_back: bool,
) -> RunRecord:
    """Measure the dense model and write down everything that was asked."""
    infos = tuple(ObjectiveInfo(o.name, o.unit, o.direction) for o in measures)
    count = len(request.objectives or defaults(task))
    return RunRecord(
        task=task.name,
        data=task.data,
        source=source,
        objectives=infos[:count],
        measured=infos,
        where=request.where,
        space=request.space,
        recovery=request.recovery,
        strategy=request.strategy,
        n_trials=request.trials,
        max_epochs=request.max_epochs,
        seed=request.seed,
        storage=request.storage,
        latency=request.latency,
        stop=request.stop,
        dense=dense_info(task, searched(task, held_back), dense, measures),
        versions={"hierprune": __version__} | {p: importlib.metadata.version(p) for p in PACKAGES},
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        machine=machine(),
        licence=task.licence,
        held_back=held_back,
        recipes=request.recipes,
        promote=request.promote,
    )


def dense_info(task: Task, seen: Task, dense: Dense, measures: Sequence[Objective]) -> DenseInfo:
    """Everything measured on the dense model, with the validation samples that trials see.

    Raises:
        UsageError: a value is not finite.
    """
    values, interval = measured(Candidate(dense.model, dense.model, seen), measures)
    for name, value in values.items():
        if not torch.isfinite(torch.tensor(value)):
            raise UsageError(
                f"{name} of the dense model is {value}; check the task's data and loss"
            )
    cost = CostModel.of(dense.tree, "channel")
    return DenseInfo(
        sha256=dense.sha256,
        data_sha256=data_sha256(task),
        values=values,
        interval=interval,
        guess=guessing(seen, dense.model, values, measures),
        params=round(cost.cost(cost.widths, "params")),
        macs=round(cost.cost(cost.widths, "macs")),
    )
