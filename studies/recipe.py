"""The journey of one trial: prune, recover, measure."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import cloudpickle
from torch import nn

from ..errors import UsageError
from ..objectives.base import Candidate, Measurement, Objective, measure_quality
from ..objectives.latency import Latency, inputs_of
from ..objectives.onnx_model import OnnxModel
from ..objectives.packing import load_state, save_state
from ..objectives.registry import objective
from ..pruners.dense import Dense
from ..pruners.distil import Distillation
from ..pruners.pattern import parse
from ..pruners.plan import BARE, PruningPlan
from ..pruners.prune import apply_plan, shrink
from ..pruners.schedules.course import train_to_plan
from ..pruners.training import train
from ..task import Task
from ..whole import write_whole
from .holdback import searched
from .latency import latency_of
from .prepare import CACHE, Note, dense_of, fill_saliency, prepare, silent
from .quantize import quantized
from .run_record import FILE, RunRecord
from .shipped import found
from .source import TaskSource
from .trial import Outcome, Trial

WEIGHTS = "model.safetensors"
UNITS = "units.json"
DRIFT = 1e-3
"""Largest change of a quality between machines: last bits, and samples that they tip over."""


@dataclass(frozen=True, eq=False)
class Journey:
    """Runs trials on one dense model; the same trial gives the same model.

    Attributes:
        dense: what trials start from.
        task: data, loss and metrics.
        objectives: everything measured.
        trials: folder where fine-tuned weights are kept, by trial number.
    """

    dense: Dense
    task: Task
    objectives: tuple[Objective, ...]
    trials: Path

    def __call__(self, trial: Trial) -> Outcome:
        """Run one trial.

        Raises:
            Exception: whatever the model, the data or the metrics raise.
        """
        seconds: dict[str, float] = {}
        model, plan = self.recovered(trial, seconds)
        if trial.rung > 0:
            self.keep(trial.number, model, plan)
        file = None
        if trial.plan.quantization != "none":
            with timed(seconds, "quantize"):
                file = self.file(model, trial.plan)
        with timed(seconds, "measure"):
            values, interval = self.measure(model, file)
        return Outcome(trial.number, values, interval, seconds, attempt=trial.attempt)

    def recovered(self, trial: Trial, seconds: dict[str, float]) -> tuple[nn.Module, PruningPlan]:
        """The model of this trial and its plan with the units kept; times are added by step.

        A higher rung starts from the weights of its parent where they are there. Under a schedule
        that prunes while it trains it starts from the dense model, as every rung then does.
        """
        if trial.rung > 0 and in_training(trial.plan):
            with timed(seconds, "train"):
                return train_to_plan(self.dense, trial.plan, self.task)
        with timed(seconds, "prune"):
            model, plan = apply_plan(self.dense, trial.plan)
        if trial.rung > 0:
            with timed(seconds, "train"):
                weights = self.folder(trial.parent) / WEIGHTS
                if trial.rung > 1 and weights.exists():
                    model.load_state_dict(load_state(weights))
                self.train(model, trial.plan)
        return model, plan

    def rebuilt(self, trial: Trial) -> tuple[nn.Module, PruningPlan]:
        """The finished model of a trial: with its trained weights if kept, else trained anew."""
        kept = self.kept(trial) if trial.rung > 0 else None
        model, plan = kept or self.recovered(trial, {})
        return model.eval(), plan

    def keep(self, number: int, model: nn.Module, plan: PruningPlan) -> None:
        """Write trained weights, after the units that they belong to where training chose them."""
        folder = self.folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        if in_training(plan):
            write_whole(folder / UNITS, json.dumps(plan.to_json()["keep"]))
        save_state(model.state_dict(), folder / WEIGHTS)

    def kept(self, trial: Trial) -> tuple[nn.Module, PruningPlan] | None:
        """What :meth:`keep` wrote of a trial; ``None`` where it is not all there.

        Raises:
            UsageError: the weights are damaged.
        """
        folder = self.folder(trial.number)
        if not (folder / WEIGHTS).exists():
            return None
        if in_training(trial.plan):
            try:
                keep = json.loads((folder / UNITS).read_text())
            except (OSError, ValueError):
                return None
            units = None if keep is None else {name: tuple(ids) for name, ids in keep.items()}
            plan = replace(trial.plan, keep=units)
            model = shrink(self.dense.model, self.dense.tree, plan.granularity, units or {})
        else:
            model, bare = apply_plan(self.dense, replace(trial.plan, recovery=BARE))
            plan = replace(bare, recovery=trial.plan.recovery)
        model.load_state_dict(load_state(folder / WEIGHTS))
        return model, plan

    def train(self, model: nn.Module, plan: PruningPlan) -> None:
        """Fine-tune in place, as the plan's recovery says; pruned weights stay zero."""
        recovery = plan.recovery
        teacher = Distillation(self.dense.model, recovery.distil) if recovery.distil else None
        train(
            model,
            self.task,
            recovery.epochs,
            lr=recovery.lr,
            seed=plan.seed,
            hold_zeros=parse(plan.granularity) is not None,
            distillation=teacher,
        )

    def file(self, model: nn.Module, plan: PruningPlan) -> OnnxModel | None:
        """What the plan makes of a recovered model, if not itself; always the same file."""
        if plan.quantization == "none":
            return None
        return quantized(model, plan.quantization, self.dense.calibration, self.task)

    def measure(
        self, model: nn.Module, file: OnnxModel | None = None
    ) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
        """All objectives on the validation split, and the intervals of those that have one."""
        candidate = Candidate(model, self.dense.model, self.task, file=file)
        return measured(candidate, self.objectives)

    def folder(self, number: int | None) -> Path:
        """Where what a trial trained is kept."""
        return self.trials / str(number)


def in_training(plan: PruningPlan) -> bool:
    """Whether units go while the plan is trained, not before."""
    return plan.recovery.schedule != "oneshot"


def measured(
    candidate: Candidate, objectives: Sequence[Objective]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Values and intervals of one candidate, by objective."""
    values, interval = {}, {}
    for measure in objectives:
        found = measure(candidate)
        if not isinstance(found, Measurement):
            found = Measurement(float(found))
        values[measure.name] = found.value
        if found.low is not None and found.high is not None:
            interval[measure.name] = (found.low, found.high)
    return values, interval


def objectives_of(
    record: RunRecord, task: Task, dense: Dense, cache: Path
) -> tuple[Objective, ...]:
    """Everything that a study measures; latency relative to the dense time of its start."""
    found = [objective(name, task) for name in record.names]
    ms = record.dense.values.get(Latency.name)

    def known(one: Objective) -> Objective:
        if not isinstance(one, Latency):
            return one
        return latency_of(record.latency, dense, task, record.space, cache, dense_ms=ms)

    return tuple(map(known, found))


def open_recipe(run: str, task: str | None = None) -> Journey:
    """The journey of a study, built in a worker from its run folder.

    Args:
        run: the run folder.
        task: a pickled task, base64, from our own launcher, where the study was given an object.
    """
    folder = found(Path(run) / FILE).parent
    record = RunRecord.load(folder)
    return open_journey(folder, record, unpack_task(task) if task else task_of(record))


def open_journey(run: Path, record: RunRecord, task: Task, note: Note = silent) -> Journey:
    """The journey of a study, from its caches where they are there.

    Raises:
        UsageError: the task's model is not the one that the study was started with.
    """
    cache = run / CACHE
    whole, task = task, searched(task, record.held_back)
    dense = prepare(task, dense_of(record, task, cache), cache, note)
    if Latency.name in record.names:
        inputs_of(record.latency.setting, whole, dense.model)  # kept: batches of the full size
    fill_saliency(dense, record.space, cache)
    return Journey(dense, task, objectives_of(record, task, dense, cache), run / "trials")


def check_dense(journey: Journey, record: RunRecord) -> None:
    """See that the dense model does what it did when the study was started.

    Equal weights are not enough: the forward, the loss or a metric may have been changed since.

    Raises:
        UsageError: a quality is another one.
    """
    found = measure_quality(journey.dense.model, journey.task, "val")
    for name, was in record.dense.values.items():
        if name in found and abs(found[name].value - was) > DRIFT * max(1.0, abs(was)):
            raise UsageError(
                f"this is not the dense model that the study was started with: its {name} is "
                f"{found[name].value:.6g}, recorded is {was:.6g}; was the task changed?"
            )


def task_of(record: RunRecord) -> Task:
    """The task of a study, from its recorded source.

    Raises:
        UsageError: the study was given a Python object, or the source does not load.
    """
    return given_task(record.source, record.task)


def given_task(source: TaskSource | None, name: str) -> Task:
    """The task at a source; ``name`` stands in the error for a missing one."""
    if source is None:
        raise UsageError(
            f"the task of {name} was given as a Python object: pass it again as task=..."
        )
    return source.load()


def pack_task(task: Task) -> str:
    """A task as text, for our own workers only."""
    return base64.b64encode(cloudpickle.dumps(task)).decode()


def unpack_task(text: str) -> Task:
    """What :func:`pack_task` packed, in a worker that our own launcher started."""
    task = cloudpickle.loads(base64.b64decode(text))
    assert isinstance(task, Task)
    return task


@contextmanager
def timed(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Add the wall time of a step to ``seconds``."""
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[step] = time.perf_counter() - start
