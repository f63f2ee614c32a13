"""One plan without a search: pruned while it trains, tested, written like a picked model."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from .. import __version__
from ..errors import UsageError
from ..objectives.base import Candidate
from ..objectives.packing import save_state
from ..objectives.registry import objective
from ..plain_json import dumps
from ..pruners.dense import Dense
from ..pruners.plan import PruningPlan, Recovery
from ..pruners.prune import at_densities, at_density, check_choices
from ..pruners.schedules.course import Ears, Learning, train_to_plan
from ..pruners.schedules.curves import schedule
from ..search.space import SpaceOptions
from ..task import Split, Task
from .card import PLUS_MINUS, side_cell, table
from .checkpoint import load_snapshot, save_snapshot
from .chosen import Intervals
from .dense import default_cache, dense_model
from .picked import CARD, PLAN, WEIGHTS, check_out, read_plan_file
from .prepare import prepare
from .progress import Progress, Silent
from .recipe import measured
from .source import TaskSource
from .wording import epochs_text, split_text

UNFINISHED = "training.safetensors"
COSTS = ("params", "macs", "compression")
Scores = tuple[Mapping[str, float], Intervals]
DENSE, PRUNED = "dense, validation", "pruned, validation"
DENSE_TEST, PRUNED_TEST = "dense, test", "pruned, test"


@dataclass(frozen=True)
class Wish:
    """What to prune, and how to train.

    Attributes:
        plan: a ``plan.json`` to take the densities from; else ``density`` decides.
        density: share to keep, in (0, 1].
        granularity: ``"channel"``, ``"block"``, ``"weight"``, ``"2:4"``, ``"4x1"``.
        criterion: ranks the units; ``""`` for activation, of weights l1.
        allocation: splits the density over groups.
        budget: what it counts: ``"params"``, ``"macs"`` or ``"units"``.
        recovery: schedule, epochs, rate, distillation.
        learning: weight decay, precision, averaging.
        seed: of everything random.
    """

    plan: Path | None = None
    density: float | None = None
    granularity: str = "channel"
    criterion: str = ""
    allocation: str = "uniform"
    budget: str = "params"
    recovery: Recovery = field(default_factory=Recovery)
    learning: Learning = field(default_factory=Learning)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what needs no task."""
        if (self.plan is None) == (self.density is None):
            raise UsageError("give either a plan or a density (--plan FILE or --density SHARE)")
        if self.density is not None and not 0 < self.density <= 1:
            raise UsageError(f"density must be in (0, 1], got {self.density:g}")
        schedule(self.recovery.schedule)
        check_choices(granularity=self.granularity, allocation=self.allocation, budget=self.budget)
        if self.criterion:
            check_choices(criterion=self.criterion)

    def planned(self, dense: Dense) -> PruningPlan:
        """The plan for a dense model.

        Raises:
            UsageError: the plan is damaged or of another model, or the density cannot be met.
        """
        if self.plan is not None:
            return self.taken_from(self.plan, dense)
        assert self.density is not None
        defaults = SpaceOptions().criteria
        kind = self.granularity if self.granularity in defaults else "weight"
        plan = PruningPlan(
            self.granularity,
            self.criterion or defaults[kind][0],
            self.allocation,
            0.0,
            self.budget,
            {},
            self.recovery,
            self.seed,
            dense.sha256,
        )
        return at_density(dense, plan, self.density)

    def taken_from(self, file: Path, dense: Dense) -> PruningPlan:
        """The densities of a plan that was written to a file, trained as wished here."""
        given, _ = read_plan_file(file)
        if given.dense_sha256 not in ("", dense.sha256):
            raise UsageError(
                f"{file} was made for a dense model with weights of SHA-256 "
                f"{given.dense_sha256[:12]}, this task's has {dense.sha256[:12]}"
            )
        recovery = replace(
            self.recovery,
            reconstruct=given.recovery.reconstruct,
            recalibrate=given.recovery.recalibrate,
            refit=given.recovery.refit,
        )
        plan = replace(given, recovery=recovery, seed=self.seed, keep=None, quantization="none")
        return replace(at_densities(dense, plan, plan.density), dense_sha256=dense.sha256)


@dataclass(frozen=True, eq=False)
class Trained:
    """A model that was pruned while it trained, and what it is worth.

    Attributes:
        task: its name, and that of its data.
        source: where the task comes from; ``None`` for an object.
        model: ready to run, in eval mode.
        plan: with the units kept.
        values: on the validation split, by objective.
        dense: the same of the dense model.
        test: qualities on the test split.
        dense_test: the same of the dense model.
        intervals: 95 % intervals, by the heads of :meth:`sides`.
    """

    task: str
    source: TaskSource | None
    model: nn.Module
    plan: PruningPlan
    values: Mapping[str, float]
    dense: Mapping[str, float]
    test: Mapping[str, float]
    dense_test: Mapping[str, float]
    intervals: Mapping[str, Intervals] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors``, ``plan.json`` and ``card.md``."""
        save_state(self.model.state_dict(), folder / WEIGHTS)
        plan = self.to_json(folder)["plan"] | {
            "task": None if self.source is None else self.source.to_json(),
            "test": dict(self.test),
            "dense_test": dict(self.dense_test),
            "values": dict(self.values),
            "interval": {k: list(v) for k, v in self.intervals.get(PRUNED, {}).items()},
            "dense": dict(self.dense),
        }
        (folder / PLAN).write_text(dumps(plan, indent=1) + "\n")
        (folder / CARD).write_text("\n".join(self.card(folder)) + "\n", encoding="utf-8")

    def to_json(self, out: Path) -> dict[str, Any]:
        """As the command line prints it."""
        return {
            "out": str(out),
            "values": dict(self.values),
            "dense": dict(self.dense),
            "test": dict(self.test),
            "dense_test": dict(self.dense_test),
            "intervals": {
                head: {k: list(v) for k, v in spans.items()}
                for head, spans in self.intervals.items()
            },
            "plan": self.plan.to_json(),
        }

    def sides(self) -> dict[str, Mapping[str, float]]:
        """Scores by what they are of."""
        return {
            DENSE: self.dense,
            PRUNED: self.values,
            DENSE_TEST: self.dense_test,
            PRUNED_TEST: self.test,
        }

    def cells(self, name: str) -> list[str]:
        """One score with its interval, of every side."""
        return [
            side_cell(values, self.intervals.get(head, {}), name)
            for head, values in self.sides().items()
        ]

    def card(self, folder: Path) -> list[str]:
        """Markdown for people."""
        plan, recovery = self.plan, self.plan.recovery
        source = "" if self.source is not None else ", task=task"
        sides = self.sides()
        rows = [[name, *self.cells(name)] for name in self.values]
        return [
            f"# {self.task}, pruned while it trained",
            "",
            f"{plan.granularity} pruning: {plan.ratio:.1%} of the {plan.budget} removed, ranked by "
            f"{plan.criterion}, {split_text(plan.allocation)}; schedule {recovery.schedule}, "
            f"{epochs_text(recovery.epochs)} at learning rates up to {recovery.lr:g}, the dense "
            f"model's outputs weighing {recovery.distil:g} in the loss, seed {plan.seed}.",
            "",
            *table(["", *sides], rows),
            "",
            f"{PLUS_MINUS}. The test split was read once, after the training.",
            "",
            f'    model = hierprune.load("{folder.name}"{source})',
            "",
            f"Dense weights: SHA-256 {plan.dense_sha256[:16]}. Card by hierprune {__version__}.",
        ]


def train_plan(
    task: Task | TaskSource | str,
    out: str | Path,
    wish: Wish,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Trained:
    """Prune a task's dense model while it trains, test it, and write it to a folder.

    After every pass over the data the state is kept in the folder, so that a training that was
    stopped goes on to the result that it would have had.

    Args:
        task: an object, or where to find one.
        out: the folder; as :meth:`Picked.save` takes it.
        wish: what to prune, and how to train.
        resume: go on with the training that was stopped in this folder.
        progress: hears what happens.

    Raises:
        UsageError: anything given that cannot work; nothing was written then.
        ArithmeticError: the training diverged.
        KeyboardInterrupt: it was stopped.
    """
    folder, hears = Path(out), progress or Silent()
    unfinished = folder / UNFINISHED
    check_folder(folder, resume)
    source = TaskSource.parse(task) if isinstance(task, str) else task
    origin = source if isinstance(source, TaskSource) else None
    task = source.load() if isinstance(source, TaskSource) else source
    if task.training is not None:
        hears.note("getting the dense model")
    model = dense_model(task, default_cache(), hears.share)
    dense = prepare_once(task, model, hears)
    plan = wish.planned(dense)
    mark = {"task": task.name, "learning": asdict(wish.learning)} | plan.to_json()
    since = load_snapshot(unfinished, mark) if resume else None
    folder.mkdir(parents=True, exist_ok=True)
    hears.note(f"training to {1 - plan.ratio:.2%} of the {plan.budget}")
    ears = Ears(hears.share, lambda snapshot: save_snapshot(snapshot, mark, unfinished))
    with stopping(unfinished):
        pruned, plan = train_to_plan(
            dense, plan, task, learning=wish.learning, ears=ears, since=since
        )
    hears.note("testing")
    result = tested(task, origin, dense, pruned, plan)
    result.save(folder)
    unfinished.unlink(missing_ok=True)
    return result


def check_folder(folder: Path, resume: bool) -> None:
    """Raise :class:`UsageError` unless a training can begin, or go on, in this folder."""
    unfinished = folder / UNFINISHED
    if resume and not unfinished.is_file():
        raise UsageError(f"there is no unfinished training in {folder}: leave out --resume")
    if not resume and unfinished.exists():
        raise UsageError(
            f"{folder} holds an unfinished training: go on with --resume, or choose another --out"
        )
    if not resume:
        check_out(folder)


def prepare_once(task: Task, model: nn.Module, hears: Progress) -> Dense:
    """The dense model with its hierarchy; nothing is kept of it."""
    with tempfile.TemporaryDirectory() as cache:
        return prepare(task, model, Path(cache), hears.note)


@contextmanager
def stopping(file: Path) -> Iterator[None]:
    """Say, when a training is stopped, how it goes on.

    Raises:
        KeyboardInterrupt: it was stopped.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        way = "go on with --resume" if file.exists() else "no pass was finished, nothing is kept"
        raise KeyboardInterrupt(f"stopped; {way}") from stop


def tested(
    task: Task, source: TaskSource | None, dense: Dense, model: nn.Module, plan: PruningPlan
) -> Trained:
    """Validation scores, and test scores read now."""
    qualities = [objective(name, task) for name in (*task.metrics, "loss")]
    objectives = [*qualities, *(objective(name, task) for name in COSTS)]

    def scored(one: nn.Module, split: Split) -> Scores:
        chosen = objectives if split == "val" else qualities
        return measured(Candidate(one, dense.model, task, split), chosen)

    found = {
        DENSE: scored(dense.model, "val"),
        PRUNED: scored(model, "val"),
        DENSE_TEST: scored(dense.model, "test"),
        PRUNED_TEST: scored(model, "test"),
    }
    values = {head: one[0] for head, one in found.items()}
    return Trained(
        f"{task.name} on {task.data}" if task.data else task.name,
        source,
        model,
        plan,
        values[PRUNED],
        values[DENSE],
        values[PRUNED_TEST],
        values[DENSE_TEST],
        {head: one[1] for head, one in found.items()},
    )
