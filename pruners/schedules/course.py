"""Training on the way from a dense model to a plan: it narrows, learns, and can be interrupted."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ...copies import copy_model
from ...errors import UsageError, unknown
from ...task import Batch, Task
from ..dense import Dense
from ..distil import Distillation
from ..plan import PruningPlan
from ..precision import PRECISIONS, Precision, forward_in, lay_out
from ..training import LossOf, batch_loss, count_batches, descend, make_optimizer
from .choosers import Choice
from .curves import Schedule, schedule
from .learned import Learned
from .shape import Cuts, Masks, Shape, begin, restored

CUTS = 12
"""Times at which structures go: each traces the model anew."""
UPDATES = 100
"""Times at which masks change."""


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Where a course stands after a pass over the data, enough to go on with the same result.

    Attributes:
        step: batches trained on.
        keep: units of the dense model that are left, by group; of structures.
        model: its state dict.
        zeros: where weights are held at zero, by parameter.
        optimizer: tensors of its state, by parameter and kind.
        mean: state dict of the mean of the weights; empty where the last ones count.
        origin: state dict that survivors go back to; empty where they do not.
        generator: state of the global generator.
    """

    step: int
    keep: Mapping[str, tuple[int, ...]]
    model: Mapping[str, Tensor]
    zeros: Mapping[str, Tensor]
    optimizer: Mapping[str, Mapping[str, Tensor]]
    mean: Mapping[str, Tensor]
    origin: Mapping[str, Tensor]
    generator: Tensor


@dataclass(frozen=True)
class Learning:
    """How batches are learned from.

    Attributes:
        weight_decay: on parameters of two or more dimensions only.
        precision: of forward passes; weights, optimiser and loss stay in single precision.
        average: share of the run that the weights at the end are an exponential mean over, in
            [0, 1); 0 takes the last ones (Polyak averaging).
    """

    weight_decay: float = 1e-4
    precision: Precision = "float32"
    average: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.average < 1:
            raise UsageError(f"average must be in [0, 1), got {self.average}")
        if self.weight_decay < 0:
            raise UsageError(f"weight_decay must be 0 or more, got {self.weight_decay}")
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)

    def mean_of(self, model: nn.Module, steps: int) -> AveragedModel:
        """A mean that begins with this model, in a run of so many batches."""
        decay = 1 - 1 / max(1.0, self.average * steps)
        return AveragedModel(
            copy_model(model), multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True
        )


@dataclass(frozen=True)
class Ears:
    """Who hears of a course.

    Attributes:
        progress: called after every batch with the share that is done, in (0, 1].
        passed: called after every pass but the last, with what is needed to go on from there.
    """

    progress: Callable[[float], None] | None = None
    passed: Callable[[Snapshot], None] | None = None


def train_to_plan(
    dense: Dense,
    plan: PruningPlan,
    task: Task,
    *,
    learning: Learning | None = None,
    ears: Ears | None = None,
    since: Snapshot | None = None,
) -> tuple[nn.Module, PruningPlan]:
    """Prune a copy of the dense model while it trains, as the plan and its schedule say.

    The plan's densities are met exactly. The same plan gives the same model, also where it went on
    from a snapshot.

    Args:
        dense: what it starts from, and the teacher of distillation.
        plan: its recovery names schedule, epochs, rate and distillation.
        task: gives batches and loss.
        learning: what the plan does not say of how batches are learned from.
        ears: hear how it goes.
        since: go on from here.

    Returns:
        The model, in eval mode, and the plan with the units kept.

    Raises:
        UsageError: an unknown schedule or group, or an empty train split.
        ArithmeticError: the loss is not finite.
    """
    curve = schedule(plan.recovery.schedule)
    ears = ears or Ears()
    with torch.random.fork_rng(), torch.enable_grad():
        torch.manual_seed(plan.seed)
        passes = count_batches(task.batches("train"))
        course = Course(dense, plan, task, curve, math.ceil(plan.recovery.epochs * passes))
        course.learning = learning or Learning()
        course.start(since)
        while course.step < course.steps:
            before = course.step
            for batch in islice(task.batches("train"), course.steps - course.step):
                course.advance(batch)
                if ears.progress is not None:
                    ears.progress(course.step / course.steps)
            if course.step == before:
                raise UsageError(
                    "the train split gave no batch; it must be readable again and again"
                )
            if ears.passed is not None and course.step < course.steps:
                ears.passed(course.snapshot())
        course.finish()
    return course.shape.model.eval(), course.shape.plan()


@dataclass(eq=False)
class Course:
    """One training; see :func:`train_to_plan`.

    Attributes:
        dense: what it starts from.
        target: the plan.
        task: gives loss and example inputs.
        curve: the schedule.
        steps: batches in all.
        step: batches trained on.
    """

    dense: Dense
    target: PruningPlan
    task: Task
    curve: Schedule
    steps: int
    step: int = 0
    learning: Learning = Learning()
    shape: Shape = field(init=False)
    trained: nn.Module = field(init=False)
    stepper: torch.optim.Optimizer = field(init=False)
    loss_of: LossOf = field(init=False)
    mean: AveragedModel | None = field(init=False, default=None)
    origin: Mapping[str, Tensor] = field(init=False, default_factory=dict)

    def start(self, since: Snapshot | None) -> None:
        """Prune what goes before training, or take up a snapshot."""
        weight = self.target.recovery.distil
        run = forward_in(self.learning.precision)
        teacher = Distillation(self.dense.model, weight, run) if weight else None
        self.loss_of = partial(batch_loss, self.task, teacher, run)
        if since is None:
            self.adopt(self.beginning())
            torch.manual_seed(self.target.seed)
        else:
            self.take_up(since)

    def beginning(self) -> Shape:
        """The model before any training."""
        choice = self.choice
        if choice is not None:
            return Learned.begin(self.dense, self.target, self.task, choice)
        return begin(self.dense, self.target, self.task, self.densities(0.0))

    @property
    def choice(self) -> Choice | None:
        """How units are chosen by gradient, where any are to go that can go by degrees."""
        some = any(share < 1 for share in self.target.density.values())
        return self.curve.choice if some and self.target.granularity != "block" else None

    def take_up(self, since: Snapshot) -> None:
        """Go on from a snapshot."""
        if self.choice is not None and not (since.keep or since.zeros):
            shape = self.beginning()
        else:
            shape = restored(self.dense, self.target, self.task, since.keep, since.zeros)
        shape.model.load_state_dict(since.model)
        self.adopt(shape)
        self.origin = since.origin
        for name, tensors in since.optimizer.items():
            state = self.stepper.state[shape.model.get_parameter(name)]
            state.update({kind: tensor.clone() for kind, tensor in tensors.items()})
        if self.mean is not None:
            self.mean.load_state_dict(since.mean)
        self.step = since.step
        torch.set_rng_state(since.generator)

    def adopt(self, shape: Shape) -> None:
        """Train this from now on."""
        self.shape, self.trained = shape, shape.model
        shape.model.train()
        lay_out(shape.model, self.learning.precision)
        self.stepper = make_optimizer(shape.model, "adamw", self.learning.weight_decay)
        if self.learning.average:
            self.mean = self.learning.mean_of(shape.model, self.steps)

    @property
    def every(self) -> int:
        """Batches from one update to the next."""
        return max(1, self.steps // (CUTS if isinstance(self.shape, Cuts) else UPDATES))

    def densities(self, done: float) -> dict[str, float]:
        """What stays of every group at that share of the run, out of what there was."""
        found = {}
        for group, final in self.target.density.items():
            whole = max(final, self.present.get(group, 1.0))
            found[group] = whole * self.curve.density(done, final / whole)
        return found

    @cached_property
    def present(self) -> Mapping[str, float]:
        """Share of single weights that are not zero to begin with, by group."""
        if self.target.granularity != "weight":
            return {}
        groups = self.dense.units("weight")
        weights = {g.name: self.dense.model.get_parameter(g.cuts[0].tensor) for g in groups}
        return {n: int(w.count_nonzero()) / w.numel() for n, w in weights.items()}

    def wanted(self, done: float) -> Mapping[str, float]:
        """The same, shared out anew where the schedule says so."""
        density = self.densities(done)
        if self.curve.shared and isinstance(self.shape, Masks):
            return self.shape.share(density)
        return density

    def advance(self, batch: Batch) -> None:
        """Narrow where it is time to, then learn from one batch."""
        if self.step and self.step % self.every == 0:
            self.update(self.step / self.steps, batch)
        remembered = self.curve.remembered
        if remembered is not None and self.step == round(remembered * self.steps):
            self.origin = copy.deepcopy(self.shape.model.state_dict())
        self.step += 1
        for group in self.stepper.param_groups:
            group["lr"] = self.target.recovery.lr * self.curve.rate(self.step / self.steps)
        descend(self.shape.model, self.loss, batch, self.stepper, self.shape.held())
        if self.mean is not None:
            self.mean.update_parameters(self.shape.model)

    def update(self, done: float, batch: Batch) -> None:
        """Bring the model to the density of that share of the run."""
        density = self.wanted(done)
        share = self.curve.regrown(done)
        self.narrow(density, done)
        if share > 0:
            self.shape.exchange(share, density, partial(self.gradients, batch))
        for parameter, zeros in self.shape.held():
            for tensor in self.stepper.state[parameter].values():
                if tensor.shape == zeros.shape:
                    tensor.masked_fill_(zeros, 0.0)  # no momentum moves what is held at 0

    def narrow(self, density: Mapping[str, float], done: float) -> None:
        """Keep these shares, by group; the optimiser begins anew where weights are other ones."""
        before = self.densities(done - self.every / self.steps)
        rewinds = bool(self.origin) and density != before
        shape = self.shape.narrow(density)
        if rewinds:
            shape.rewind(self.origin)
        shape.aim({g: self.curve.aim(done, d) for g, d in self.target.density.items()})
        if rewinds or shape is not self.shape or shape.model is not self.trained:
            self.adopt(shape)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        """What is descended on."""
        return self.loss_of(model, batch) + self.shape.penalty()

    def gradients(self, batch: Batch) -> dict[str, Tensor]:
        """The gradient of the loss of a batch by every free parameter, by name."""
        model = self.shape.model
        free = {n: p for n, p in model.named_parameters() if p.requires_grad}
        loss = self.loss_of(model, batch)
        found = torch.autograd.grad(loss, list(free.values()), materialize_grads=True)
        return dict(zip(free, found, strict=True))

    def finish(self) -> None:
        """Take the mean of the weights; meet the densities where the run was too short to."""
        if self.mean is not None and self.step:
            self.shape.model.load_state_dict(self.mean.module.state_dict())
            for parameter, zeros in self.shape.held():
                parameter.data.masked_fill_(zeros, 0.0)
        self.shape = self.shape.narrow(self.wanted(1.0))
        self.shape.model.zero_grad(set_to_none=True)

    def snapshot(self) -> Snapshot:
        """Where it stands."""
        model, shape = self.shape.model, self.shape
        optimizer = {n: dict(self.stepper.state[p]) for n, p in model.named_parameters()}
        return Snapshot(
            self.step,
            dict(shape.keep) if isinstance(shape, Cuts) else {},
            model.state_dict(),
            dict(shape.zeros) if isinstance(shape, Masks) else {},
            {n: state for n, state in optimizer.items() if state},
            {} if self.mean is None else self.mean.state_dict(),
            self.origin,
            torch.get_rng_state(),
        )
