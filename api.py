"""The Python face of the three jobs, with the command line's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from .options import means_from, request_from, wish_from
from .pruners.precision import Precision
from .search.strategy import Sampler, name_of
from .studies.launch import launch_study, resume_study
from .studies.progress import Progress
from .studies.request import Changes
from .studies.source import TaskSource
from .studies.study import Study
from .studies.trained import Trained, train_plan
from .task import Task


def launch(
    task: Task | TaskSource | str,
    run: str | Path | None = None,
    *,
    trials: int = 60,
    until: str = "",
    patience: int = 0,
    objectives: Sequence[str] | None = None,
    where: Sequence[str] = (),
    hold_back: bool = True,
    granularity: Sequence[str] = ("channel",),
    criterion: Sequence[str] | None = None,
    allocation: Sequence[str] | None = None,
    space: str = "auto",
    budget: str = "params",
    min_density: float = 0.02,
    max_density: float = 0.9,
    align: int | str | None = None,
    int8: Sequence[str] = ("none",),
    strategy: str | Sampler = "default",
    max_epochs: float = 0.0,
    promote: float = 0.4,
    lr: float | str | Sequence[float] = 1e-3,
    distil: float | str | Sequence[float] = 0.0,
    schedule: Sequence[str] | str = ("oneshot",),
    sequential: bool = False,
    seed: int = 0,
    storage: str | None = None,
    latency: str = "predicted",
    device: str | None = None,
    runtime: str | None = None,
    threads: int | None = None,
    batch: int | None = None,
    shape: Sequence[int] | None = None,
    command: str | None = None,
    command_timeout: float | None = None,
    executor: str = "local",
    workers: int | None = None,
    address: str | None = None,
    timeout: float | None = None,
    trial_timeout: float | None = None,
    resources: Mapping[str, float] | None = None,
    track: Sequence[str] = (),
    on_stop: str = "finish",
    progress: Progress | None = None,
) -> Study:
    """Search for smaller models of a task.

    Args:
        task: an object, or where to find one: ``"lenet5-mnist"``, ``"file.py:factory"``.
        run: folder of the study, new; default ``runs/TASK-DATE``.
        trials: plans to finish; failed ones do not count.
        until: end when one model satisfies this, such as
            ``"accuracy >= dense - 0.005 and macs <= 0.5"``.
        patience: start no more plans when so many in a row brought no progress; 0 for any number.
        objectives: names, in order; default: the task's first metric, latency, compression.
        where: constraints such as ``"accuracy >= dense - 0.01"``; they guide the search.
        hold_back: keep a third of the validation samples from the trials, to score the front on
            them, where there are 1,000.
        granularity: ``"channel"``, ``"weight"``, ``"2:4"``, ``"4x1"``, or several.
        criterion: what may rank the units; default ``activation``, of weights ``l1``.
        allocation: what may split the global density; default all but ``"dp"``.
        space: ``"hierarchical"``, ``"flat"``, ``"global"``, or ``"auto"``: flat for a few groups.
        budget: what the global density counts: ``"params"`` or ``"macs"``.
        min_density: lowest global density, in (0, 1].
        max_density: highest global density, in (0, 1].
        strategy: ``"default"``, ``"gp"``, ``"evolution"``, ``"tpe"``, ``"nsga2"``, ``"nsga3"``,
            ``"random"``, ``"grid"``, or a sampler object of Optuna, which draws after the sweeps.
        align: widths of structures are multiples of it; ``"auto"`` finds one that the runtime
            likes, where latency is an objective; default ``"auto"`` on onnxruntime, else 1.
        int8: ``"none"``, ``"dynamic"``, ``"static"``, or several: what the recovered model may
            become; latency then needs ``runtime="onnxruntime", latency="measured"``.
        max_epochs: fine-tune the best plans for up to so many epochs.
        promote: share of the plans that are fine-tuned, in (0, 1].
        lr: highest learning rate of fine-tuning; ``"1e-4..3e-3"`` or several are searched.
        distil: weight of the dense model's outputs in the loss of fine-tuning, in [0, 1]; several,
            or a range such as ``"0..0.7"``, are searched.
        schedule: when units go on rungs that train, as :func:`prune_task` knows them; several are
            searched. Any but ``"oneshot"`` prunes the dense model anew on every rung.
        sequential: reconstruct layer by layer, on the pruned model's own inputs: better far from
            dense, a hundred times slower.
        seed: of everything random.
        storage: Optuna URL; default a journal in the run folder.
        latency: how trials know it: ``"predicted"`` from models timed once, or ``"measured"``;
            the front is timed at the end either way.
        device: name or file of a device profile: runtime, threads, batch, widths and budgets, where
            they are not given here.
        runtime: what latency is measured on: ``"eager"`` (default), ``"compile"``,
            ``"onnxruntime"`` or ``"remote"``.
        threads: of the runtime; default 1.
        batch: samples per timed forward; default 1.
        shape: of one timed sample of noise; default the head of the validation data.
        command: of the runtime ``"remote"``: takes an ONNX file, prints milliseconds.
        command_timeout: seconds that one call of it may take; default 120.
        executor: ``"local"`` or ``"ray"``.
        workers: trials at once; default one per core, at most 4; 0 runs them in this process.
        address: of a Ray cluster.
        timeout: seconds after which no trial is started.
        trial_timeout: seconds after which a single trial is killed.
        resources: of a Ray cluster that one trial takes, ``{"cpu": 4, "gpu": 0.5}``; default one
            ``cpu``. Names of the cluster's own are passed through.
        track: ``"tensorboard"``, ``"mlflow"``, ``"wandb"``: tell every trial to these too.
        on_stop: what becomes of running trials at a signal or the timeout: ``"finish"`` waits for
            them, ``"requeue"`` ends them at once, for :func:`resume` to start anew.
        progress: hears what happens.

    Returns:
        The study; ``study.interrupted`` tells whether it was stopped before it was done.

    Raises:
        UsageError: anything given that cannot work; nothing was written then.
        RuntimeError: nearly all trials fail.
    """
    given = dict(locals())
    lists = ("objectives", "where", "granularity", "criterion", "allocation", "int8", "schedule")
    names = {name: as_names(given[name]) for name in lists if given[name] is not None}
    chosen = strategy if isinstance(strategy, str) else name_of(strategy)
    request = request_from(given | names | {"strategy": chosen})
    sampler = None if isinstance(strategy, str) else strategy
    means = means_from(given | {"track": as_names(track), "sampler": sampler})
    return launch_study(task, run, request, means, progress)


def resume(
    run: str | Path,
    *,
    trials: int | None = None,
    until: str | None = None,
    patience: int | None = None,
    executor: str = "local",
    workers: int | None = None,
    address: str | None = None,
    timeout: float | None = None,
    trial_timeout: float | None = None,
    resources: Mapping[str, float] | None = None,
    track: Sequence[str] = (),
    on_stop: str = "finish",
    task: Task | None = None,
    strategy: Sampler | None = None,
    progress: Progress | None = None,
) -> Study:
    """Go on with a study, also after a crash of anything.

    Args:
        run: its folder.
        trials: new total of plans to finish; default as before.
        until: see :func:`launch`; default as before, ``""`` for never.
        patience: see :func:`launch`; default as before, 0 for any number.
        executor: see :func:`launch`; it may differ from before, like all that follow.
        workers: see :func:`launch`.
        address: see :func:`launch`.
        timeout: see :func:`launch`.
        trial_timeout: see :func:`launch`.
        resources: see :func:`launch`.
        track: see :func:`launch`; without names those used before.
        on_stop: see :func:`launch`.
        task: needed when the study was given a Python object.
        strategy: the sampler object again, where the study was given one.
        progress: hears what happens.

    Raises:
        UsageError: the folder holds no study, or model or data are not those of the study.
        RuntimeError: nearly all trials fail.
    """
    given = dict(locals())
    means = means_from(given | {"track": as_names(track), "sampler": strategy})
    return resume_study(run, Changes(trials, until, patience), means, progress, task)


def prune_task(
    task: Task | TaskSource | str,
    out: str | Path,
    *,
    plan: str | Path | None = None,
    density: float | None = None,
    granularity: str = "channel",
    criterion: str = "",
    allocation: str = "uniform",
    budget: str = "params",
    schedule: str = "gradual",
    epochs: float = 10.0,
    lr: float = 1e-3,
    distil: float = 0.0,
    weight_decay: float = 1e-4,
    precision: Precision = "float32",
    average: float = 0.0,
    seed: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """Prune a task's model while it trains, without a search.

    Args:
        task: see :func:`launch`.
        out: folder to write, as ``Picked.save`` does; it also holds what ``resume`` needs.
        plan: file ``plan.json`` whose densities to take; else ``density`` decides.
        density: share to keep, in (0, 1].
        granularity: one of those of :func:`launch`.
        criterion: ranks the units; default ``activation``, of weights ``l1``.
        allocation: splits the density over groups.
        budget: what it counts: ``"params"``, ``"macs"`` or ``"units"``.
        schedule: ``"oneshot"``, ``"gradual"``, ``"global"``, ``"iterative"``, ``"rigl"``,
            ``"rewind"``; with what goes learned by gradient: ``"movement"``, ``"l0"``, ``"soft"``,
            ``"lasso"``, ``"slimming"``.
        epochs: of training.
        lr: highest learning rate.
        distil: weight of the dense model's outputs in the loss, in [0, 1].
        weight_decay: on weights of two or more dimensions.
        precision: of forward passes; ``"bfloat16"`` is faster where the processor has units for it.
        average: share of the run that the final weights are an exponential mean over, in [0, 1).
        seed: of everything random.
        resume: go on with the training that was stopped in ``out``.
        progress: hears what happens.

    Returns:
        Model, plan and scores; all is written.

    Raises:
        UsageError: anything given that cannot work; nothing was written then.
        ArithmeticError: the training diverged.
    """
    given = dict(locals())
    given["plan"] = None if plan is None else Path(plan)
    return train_plan(task, out, wish_from(given), resume=resume, progress=progress)


def as_names(value: Sequence[str] | str) -> tuple[str, ...]:
    """One name or several, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)
