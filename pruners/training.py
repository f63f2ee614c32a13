"""Gradient training: of dense models from scratch, and of pruned ones to recover."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from ..errors import UsageError
from ..task import Batch, Batches, Task
from .distil import Distillation
from .precision import Forward, Precision, forward_in, lay_out

MAX_NORM = 1.0  # of the gradient: a layer just solved by least squares can start out steep

OptimizerName = Literal["adamw", "sgd"]
Held = Sequence[tuple[nn.Parameter, Tensor]]
LossOf = Callable[[nn.Module, Batch], Tensor]


def train(
    model: nn.Module,
    task: Task,
    epochs: float,
    *,
    lr: float,
    optimizer: OptimizerName = "adamw",
    weight_decay: float = 1e-4,
    seed: int = 0,
    warmup: float = 0.15,
    hold_zeros: bool = False,
    distillation: Distillation | None = None,
    precision: Precision = "float32",
    progress: Callable[[float], None] | None = None,
) -> None:
    """Train a model in place on the task's train split, to the task's loss.

    The learning rate follows :func:`schedule` per batch; gradients are clipped to norm 1. The same
    seed gives the same weights: the global generator is seeded for the run and put back after it,
    so that loaders that shuffle follow the seed too. Frozen parameters stay frozen, and every
    module ends in the mode that it was in.

    Args:
        model: changed in place.
        task: gives batches and loss.
        epochs: passes over the train split; a fraction stops within the pass, 0 changes nothing.
        lr: highest learning rate.
        optimizer: ``"adamw"``, or ``"sgd"`` with Nesterov momentum 0.9.
        weight_decay: on parameters of two or more dimensions only.
        seed: of everything random.
        warmup: share of the run in which the learning rate rises.
        hold_zeros: parameters of two or more dimensions keep their zeros, as under a mask.
        distillation: adds the outputs of a teacher to the loss.
        precision: of forward passes; weights are of single precision in any case.
        progress: called after every batch with the share that is done, in (0, 1].

    Raises:
        UsageError: the train split is empty.
        ArithmeticError: the loss is not finite.
    """
    lay_out(model, precision)
    stepper = make_optimizer(model, optimizer, weight_decay)
    held = zeros_of(model) if hold_zeros else []
    criterion = partial(batch_loss, task, distillation, forward_in(precision))
    modes = [(module, module.training) for module in model.modules()]
    with torch.random.fork_rng(), torch.enable_grad():
        steps = math.ceil(epochs * count_batches(task.batches("train")))
        torch.manual_seed(seed)
        model.train()
        for step, batch in enumerate(islice(endless(task), steps)):
            for group in stepper.param_groups:
                group["lr"] = lr * schedule((step + 1) / steps, warmup)
            descend(model, criterion, batch, stepper, held)
            if progress is not None:
                progress((step + 1) / steps)
    model.zero_grad(set_to_none=True)
    for module, training in modes:
        module.training = training


def schedule(done: float, warmup: float) -> float:
    """Share of the highest learning rate: a linear rise, then half a cosine down to 5 %.

    >>> [round(schedule(x, 0.2), 2) for x in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.53, 0.05]

    Args:
        done: share of the run at the end of the step, in (0, 1].
        warmup: share of the run in which the rate rises, in [0, 1).
    """
    if done < warmup:
        return done / warmup
    return 0.05 + 0.95 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup))) / 2


def batch_loss(
    task: Task, distillation: Distillation | None, run: Forward, model: nn.Module, batch: Batch
) -> Tensor:
    """The task's loss of a model on one batch, with the teacher's part if there is one."""
    inputs, targets = batch
    outputs = run(model, inputs)
    own = task.loss(outputs, targets)
    return own if distillation is None else distillation(own, outputs, inputs)


def descend(
    model: nn.Module, loss_of: LossOf, batch: Batch, optimizer: torch.optim.Optimizer, held: Held
) -> None:
    """One step of the optimiser on one batch.

    Raises:
        ArithmeticError: the loss is not finite.
    """
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(model, batch)
    if not math.isfinite(loss.item()):
        raise ArithmeticError(f"training diverged: the loss is {loss.item()}; lower lr")
    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
    for parameter, zeros in held:
        if parameter.grad is not None:
            parameter.grad.masked_fill_(zeros, 0.0)  # both optimisers then leave a 0 as it is
    clip_grad_norm_(model.parameters(), MAX_NORM)
    optimizer.step()


def make_optimizer(
    model: nn.Module, name: OptimizerName, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser of the parameters that are not frozen; vectors do not decay.

    Raises:
        UsageError: the name is neither ``"adamw"`` nor ``"sgd"``.
    """
    free = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in free if p.dim() >= 2], "weight_decay": weight_decay},
        {"params": [p for p in free if p.dim() < 2], "weight_decay": 0.0},
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, fused=all(can_fuse(p) for p in free))
    if name == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True)
    raise UsageError(f"optimizer must be 'adamw' or 'sgd', got {name!r}")


def can_fuse(parameter: nn.Parameter) -> bool:
    """Whether AdamW can update it in one kernel: a tenth of the time on small models."""
    return parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")


def zeros_of(model: nn.Module) -> Held:
    """Where the parameters of two or more dimensions are 0."""
    return [(p, p.detach() == 0) for p in model.parameters() if p.dim() >= 2]


def count_batches(batches: Batches) -> int:
    """How many batches a pass has; read through once where the length is not known.

    Raises:
        UsageError: none.
    """
    try:
        count = len(batches)  # type: ignore[arg-type]
    except TypeError:
        count = sum(1 for _ in batches)
    if count == 0:
        raise UsageError("the train split must hold at least one batch, got none")
    return count


def endless(task: Task) -> Iterator[Batch]:
    """Pass after pass over the train split."""
    batches = task.batches("train")
    while True:
        yield from batches
        if isinstance(batches, Iterator):  # used up
            batches = task.batches("train")
