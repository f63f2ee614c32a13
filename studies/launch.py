"""Start a study, and go on with it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ..errors import UsageError, unknown
from ..objectives.constraint import conjunction
from ..objectives.latency import Latency
from ..pruners.prune import check_choices
from ..search.space import KINDS, SEARCH_ALLOCATIONS, SearchSpace
from ..search.strategy import Proposer, Sampler, strategy
from ..task import Task
from .begin import new_folder, objectives_to_measure, prepare_study
from .check import check_task
from .confirm import confirm
from .database import lasting_url, open_database
from .drive import drive
from .executor import Executor, RecipeSpec
from .fingerprint import data_sha256
from .int8 import check_int8
from .latency import forecasts
from .ledger import Ledger
from .local import LocalExecutor
from .pending import Pending, is_pending, new_run, preparing
from .prepare import CACHE, landscapes
from .progress import Progress, Silent
from .quantize import check_packages
from .recipe import Journey, check_dense, given_task, open_journey, pack_task, task_of
from .request import Changes, Means, Request
from .run_record import RunRecord
from .shipping import cargo
from .signals import clean_stop
from .source import TaskSource
from .standing import Standing
from .storage import check_locks, open_storage
from .study import Study
from .trackers.tracking import track
from .watched import Watched

MAX_WORKERS = 4
CONFIRM_SHARE = 0.03
"""Of the time that the search took, for timing the front at the end."""
CONFIRM_SECONDS = 1.2  # at least
FINISHING = "stopping: waiting for the running trials; a second Ctrl-C ends them at once"
GOING_BACK = "stopping: the running trials go back, to be started anew by resume"


def launch_study(
    task: Task | TaskSource | str,
    run: str | Path | None = None,
    request: Request | None = None,
    means: Means | None = None,
    progress: Progress | None = None,
) -> Study:
    """Search for smaller models of a task.

    Args:
        task: an object, or where to find one: ``"lenet5-mnist"``, ``"file.py:factory"``.
        run: folder of the study, new; default ``runs/TASK-DATE``.
        request: what to find.
        means: what to run it with.
        progress: hears what happens.

    Returns:
        The study; ``interrupted`` when it was stopped before it was done.

    Raises:
        UsageError: anything given that cannot work; nothing was written then.
        RuntimeError: nearly all trials fail.
    """
    request, means, progress = request or Request(), means or Means(), progress or Silent()
    check_space(request)
    check_resources(means)
    strategy(request.strategy, means.sampler)
    progress.note("loading the task")
    source, loaded = load(task)
    folder = new_folder(run, loaded.name)
    check_int8(request, objectives_to_measure(loaded, request))
    check_task(loaded)
    if request.storage is not None:
        request = replace(request, storage=lasting_url(request.storage))
        open_database(str(request.storage))
    pending = Pending(source, request)
    with resumable(folder), new_run(folder, pending):
        record = prepare_study(folder, pending, loaded, progress)
    return go_on(Study(folder, record, loaded), means, progress)


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say how to go on when the block is stopped."""
    try:
        yield
    except KeyboardInterrupt:
        hint = f"stopped while preparing; go on with: hierprune resume {folder}"
        raise KeyboardInterrupt(hint) from None


def resume_study(
    run: str | Path,
    changes: Changes | None = None,
    means: Means | None = None,
    progress: Progress | None = None,
    task: Task | None = None,
) -> Study:
    """Go on with a study, also after a crash of anything.

    Args:
        run: its folder.
        changes: what is asked for otherwise than before.
        means: what to run it with now.
        progress: hears what happens.
        task: needed when the study was given a Python object.

    Raises:
        UsageError: the folder holds no study, or model or data are not those of the study.
        RuntimeError: nearly all trials fail.
    """
    changes, means, progress = changes or Changes(), means or Means(), progress or Silent()
    folder = Path(run)
    check_resources(means)
    if is_pending(folder):
        study = begin_again(folder, changes, means, progress, task)
        if study is not None:
            return go_on(study, means, progress)
    record = RunRecord.load(folder)
    check_locks(folder)
    asked = changed(record, changes)
    strategy(record.strategy, means.sampler)
    check_packages(record.space.quantizations)
    progress.note("loading the task")
    task = task or task_of(record)
    check_task(task)
    found = data_sha256(task)
    if found != record.dense.data_sha256:
        raise UsageError(
            f"these are not the data that {folder} was started with: the validation data have "
            f"SHA-256 {found[:12]}, recorded is {record.dense.data_sha256[:12]}"
        )
    journey = open_journey(folder, record, task, progress.note)
    check_dense(journey, record)
    if asked != record:
        asked.save(folder)
    return go_on(Study(folder, asked, task), means, progress, journey)


def changed(record: RunRecord, changes: Changes) -> RunRecord:
    """The record of a study that is asked for otherwise.

    Raises:
        UsageError: ``until`` names what the study does not measure.
    """
    stop = changes.stop(record.stop)
    conjunction(stop.until, record.names)
    trials = record.n_trials if changes.trials is None else changes.trials
    return replace(record, n_trials=trials, stop=stop)


def begin_again(
    folder: Path, changes: Changes, means: Means, progress: Progress, task: Task | None
) -> Study | None:
    """Prepare a study whose preparation was stopped; ``None`` where somebody else did meanwhile."""
    with resumable(folder), preparing(folder, progress) as mine:
        return prepare_again(folder, changes, means, progress, task) if mine else None


def prepare_again(
    folder: Path, changes: Changes, means: Means, progress: Progress, task: Task | None
) -> Study:
    """Prepare a study as it was requested, with the changes."""
    pending = Pending.load(folder)
    strategy(pending.request.strategy, means.sampler)
    request = pending.request
    trials = request.trials if changes.trials is None else changes.trials
    request = replace(request, trials=trials, stop=changes.stop(request.stop))
    pending = replace(pending, request=request)
    progress.note("loading the task")
    task = task or given_task(pending.source, str(folder))
    check_task(task)
    return Study(folder, prepare_study(folder, pending, task, progress), task)


def load(task: Task | TaskSource | str) -> tuple[TaskSource | None, Task]:
    """Where the task comes from, unless it is an object, and the task."""
    if isinstance(task, Task):
        return None, task
    source = TaskSource.parse(task) if isinstance(task, str) else task
    return source, source.load()


def check_space(request: Request) -> None:
    """Raise :class:`UsageError` for an unknown name in the space."""
    space = request.space
    if space.kind not in KINDS:
        raise unknown("space", space.kind, KINDS)
    for granularity in space.granularities:
        check_choices(granularity=granularity, budget=space.budget)
        for criterion in space.criteria[granularity]:
            check_choices(criterion=criterion)
        for allocation in space.allocations[granularity]:
            if allocation not in SEARCH_ALLOCATIONS:
                raise unknown("allocation", allocation, SEARCH_ALLOCATIONS)


def check_resources(means: Means) -> None:
    """Raise :class:`UsageError` where this machine, as a cluster, has not what a trial takes."""
    if means.resources is None or means.address is not None:
        return
    from .ray_cluster import check_private

    check_private(means.resources)


def go_on(study: Study, means: Means, progress: Progress, journey: Journey | None = None) -> Study:
    """Run the trials that are missing."""
    record, task = study.asked, study.task
    assert task is not None
    journey = journey or open_journey(study.run, record, task, progress.note)
    proposer = make_proposer(study.run, record, journey, means.sampler)
    recipe = make_recipe(study.run, record, task)
    stop, late = threading.Event(), threading.Event()
    begun = time.monotonic()
    storage = open_storage(study.run, record.storage)
    name = record.name_at(study.run)
    progress.note("trying plans")
    with (
        clean_stop(stop),
        deadline(stop, late, means.timeout),
        Ledger(
            storage,
            study.run,
            record.directions,
            proposer,
            record.n_trials,
            stopping=record.stopping(),
            name=name,
        ) as ledger,
        track(means.track, study.run, record, progress) as tracking,
    ):
        watched = Watched(
            make_executor(means, study.run, record.source), ledger, Standing(record), tracking
        )
        ledger.recover()
        tracking.tell(t for t in ledger.trials() if t.state.is_finished())
        with told_of_stop(stop, progress, requeue=means.on_stop == "requeue"):
            drive(ledger, watched, recipe, stop)
        failing = ledger.failing()
    if failing:
        raise RuntimeError(failing)
    study.reread()
    study.interrupted = stop.is_set() and not late.is_set()
    if not study.interrupted:
        rescore_front(study, progress)
    if not study.interrupted:
        confirm_front(study, progress, time.monotonic() - begun)
    return study


def rescore_front(study: Study, progress: Progress) -> None:
    """Score the front on the validation samples that were held back, if any were.

    A failure costs no result: the front stands as the trials know it.
    """
    try:
        study.rescore(progress)
    except KeyboardInterrupt:
        study.interrupted = True
    except Exception as error:
        progress.note(f"the front could not be scored anew: {error}")


def confirm_front(study: Study, progress: Progress, seconds: float) -> None:
    """Time the models of the front, where latency is an objective, in a share of the study's time.

    The search took ``seconds`` now, and what its trials tell before. A failure costs no result: the
    front stands as the trials know it.
    """
    if Latency.name not in study.record.directions or not study.finished():
        return
    trials = sum(sum(r.seconds.values()) for r in study.finished())
    share = CONFIRM_SHARE * max(seconds, trials / MAX_WORKERS)
    try:
        confirm(study, seconds=max(CONFIRM_SECONDS, share), progress=progress)
    except KeyboardInterrupt:
        study.interrupted = True
    except Exception as error:
        progress.note(f"the front's latency could not be confirmed: {error}")


def make_proposer(
    run: Path, record: RunRecord, journey: Journey, sampler: Sampler | None = None
) -> Proposer:
    """The strategy of a study."""
    dense = journey.dense
    lands = {
        name: replace(land, forecasts=forecasts(journey.objectives, dense.tree, name, land.cost))
        for name, land in landscapes(dense, record.space, record.recovery, run / CACHE).items()
    }
    space = SearchSpace(
        record.space,
        lands,
        record.recovery,
        record.dense.sha256,
        record.seed,
    )
    chosen = strategy(record.strategy, sampler)
    return Proposer(space, record.goal(), record.rungs, chosen, record.seed, record.recipes)


def make_recipe(run: Path, record: RunRecord, task: Task) -> RecipeSpec:
    """How workers build the journey of this study."""
    arguments = {"run": str(run.absolute())}
    if record.source is None:
        arguments["task"] = pack_task(task)
    return RecipeSpec("hierprune.studies.recipe:open_recipe", arguments)


def make_executor(means: Means, run: Path, source: TaskSource | None) -> Executor:
    """What runs the trials."""
    workers = min(MAX_WORKERS, os.cpu_count() or 1) if means.workers is None else means.workers
    requeue = means.on_stop == "requeue"
    if means.executor == "ray":
        from .ray_tune import ONE_CPU, RayExecutor

        return RayExecutor(
            workers,
            run,
            address=means.address,
            resources=means.resources or ONE_CPU,
            trial_timeout=means.trial_timeout,
            requeue=requeue,
            cargo=tuple(cargo(run, source)) if means.address else (),
        )
    return LocalExecutor(workers, run, means.trial_timeout, requeue)


@contextmanager
def told_of_stop(stop: threading.Event, progress: Progress, *, requeue: bool) -> Iterator[None]:
    """Say that a stop was heard, and what happens to the running trials."""
    over = threading.Event()

    def listen() -> None:
        while not over.wait(0.1):
            if stop.is_set():
                progress.note(GOING_BACK if requeue else FINISHING)
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield
    finally:
        over.set()
        listener.join()


@contextmanager
def deadline(stop: threading.Event, late: threading.Event, seconds: float | None) -> Iterator[None]:
    """Set both events when the time is up; without a limit, never."""

    def ring() -> None:
        if not stop.is_set():
            late.set()
            stop.set()

    timer = threading.Timer(seconds or 0, ring)
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
