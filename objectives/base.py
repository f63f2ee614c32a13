"""What an objective is: one number of one model, measured beside the dense model it came from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..task import Direction, Split, Task, batch_size, forward
from .modes import measuring


@dataclass(frozen=True)
class Measurement:
    """A number with its 95 % interval; exact numbers have none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Candidate:
    """One model under measurement, with the dense model and the task it belongs to.

    Objectives share its one pass over the data: the pass runs when the first quality is asked for.
    """

    model: nn.Module
    dense: nn.Module
    task: Task
    split: Split = "val"

    @cached_property
    def quality(self) -> Mapping[str, Measurement]:
        """Mean loss and mean of every metric over the split, by name (``"loss"`` and metrics)."""
        return measure_quality(self.model, self.task, self.split)


@runtime_checkable
class Objective(Protocol):
    """One number of one model.

    ``direction`` says whether larger or smaller is better, ``unit`` what the number counts
    (``""`` for a share). A call leaves the candidate's models as they were.
    """

    @property
    def name(self) -> str:
        """What it is called on the command line and in records."""

    @property
    def unit(self) -> str:
        """What one stands for: ``"ms"``, ``"x"``; ``""`` for a share."""

    @property
    def direction(self) -> Direction:
        """Which way is better."""

    def __call__(self, candidate: Candidate) -> Measurement | float:
        """Measure; a non-finite number fails the trial."""


def measure_quality(model: nn.Module, task: Task, split: Split) -> dict[str, Measurement]:
    """Loss and metrics of ``model`` on one split, in eval mode, without gradients.

    Intervals are mean +- 1.96 standard errors over samples; the loss, known per batch only, has
    none.
    """
    samples: dict[str, list[Tensor]] = defaultdict(list)
    loss_sum, count = 0.0, 0
    with measuring(model):
        for inputs, targets in task.batches(split):
            outputs = forward(model, inputs)
            n = batch_size(inputs)
            loss_sum += float(task.loss(outputs, targets)) * n
            count += n
            for name in task.metrics:
                samples[name].append(task.metric(name).fn(outputs, targets).double().flatten())
    result = {name: mean_interval(torch.cat(values)) for name, values in samples.items()}
    return {"loss": Measurement(loss_sum / count)} | result


def mean_interval(values: Tensor) -> Measurement:
    """Mean of a sample, shape (N,), with its normal 95 % interval."""
    mean = float(values.mean())
    if len(values) < 2:
        return Measurement(mean)
    half = 1.96 * float(values.std()) / math.sqrt(len(values))
    return Measurement(mean, mean - half, mean + half)
