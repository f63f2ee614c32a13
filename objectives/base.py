"""What an objective is: one number of one model, measured beside the dense model it came from."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..task import Direction, Split, Streamed, Task, batch_size, forward
from .modes import measuring
from .onnx_model import OnnxModel


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

    Attributes:
        model: what was pruned; its parameters and operations are counted.
        dense: what it came from.
        task: both belong to.
        split: that qualities are measured on.
        file: answers, is timed and is stored in the place of ``model``, where there is one.
    """

    model: nn.Module
    dense: nn.Module
    task: Task
    split: Split = "val"
    file: OnnxModel | None = None

    @property
    def answers(self) -> nn.Module:
        """What runs: the file where there is one, else the model."""
        return self.model if self.file is None else self.file

    @cached_property
    def quality(self) -> Mapping[str, Measurement]:
        """Mean loss and mean of every metric over the split, by name (``"loss"`` and metrics)."""
        return measure_quality(self.answers, self.task, self.split)


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

    Intervals are those of :func:`mean_interval` over samples; of the loss, known per batch only,
    and of streamed metrics they are those of :class:`Stream`.

    Raises:
        UsageError: the split holds no samples.
    """
    samples: dict[str, list[Tensor]] = defaultdict(list)
    metrics = {name: task.metric(name) for name in task.metrics}
    streams = {n: Stream(m) for n, m in metrics.items() if isinstance(m, Streamed)}
    loss = Stream(Streamed(BatchMean, "minimize"))
    with measuring(model):
        for inputs, targets in task.batches(split):
            outputs = forward(model, inputs)
            loss.update(float(task.loss(outputs, targets)), batch_size(inputs))
            for name, metric in metrics.items():
                if isinstance(metric, Streamed):
                    streams[name].update(outputs, targets)
                else:
                    samples[name].append(metric.fn(outputs, targets).double().flatten())
    if not loss.all.count:
        raise UsageError(f"the {split} split of {task.name!r} holds no samples")
    result = {name: mean_interval(torch.cat(values)) for name, values in samples.items()}
    streamed = {name: stream.measured() for name, stream in streams.items()}
    return {"loss": loss.measured()} | {n: (result | streamed)[n] for n in metrics}


@dataclass
class BatchMean:
    """The mean over samples of what is known as means of batches."""

    total: float = 0.0
    count: int = 0

    def update(self, mean: float, count: int) -> None:
        """Take a batch."""
        self.total += mean * count
        self.count += count

    def compute(self) -> float:
        """The mean."""
        return self.total / self.count


class Stream:
    """A metric of a whole split, with what it is without each tenth of the batches.

    The interval is by the delete-a-group jackknife, Efron and Tibshirani 1993, "An Introduction to
    the Bootstrap", section 11.5, with Student's t of 9 degrees of freedom.
    """

    GROUPS = 10
    T9 = 2.262

    def __init__(self, metric: Streamed) -> None:
        self.metric = metric
        self.all, self.without = metric.make(), [metric.make() for _ in range(self.GROUPS)]
        self.batches = 0

    def update(self, outputs: Any, targets: Any) -> None:
        """Take a batch."""
        pair = self.metric.select(outputs, targets)
        self.all.update(*pair)
        for group, one in enumerate(self.without):
            if self.batches % self.GROUPS != group:
                one.update(*pair)
        self.batches += 1

    def measured(self) -> Measurement:
        """The number; with an interval from as many batches as groups on."""
        value = float(self.all.compute())
        if self.batches < self.GROUPS:
            return Measurement(value)
        parts = torch.tensor([float(one.compute()) for one in self.without], dtype=torch.double)
        error = math.sqrt((self.GROUPS - 1) * float(parts.var(correction=0)))
        return Measurement(value, value - self.T9 * error, value + self.T9 * error)


def mean_interval(values: Tensor) -> Measurement:
    """Mean of a sample, shape (N,), with its normal 95 % interval; of hits, Wilson's.

    >>> mean_interval(torch.tensor([2.0, 2.0, 2.0]))
    Measurement(value=2.0, low=2.0, high=2.0)
    """
    mean = float(values.mean())
    if len(values) < 2:
        return Measurement(mean)
    if bool(((values == 0) | (values == 1)).all()):
        return wilson(mean, len(values))
    half = 1.96 * float(values.std()) / math.sqrt(len(values))
    return Measurement(mean, mean - half, mean + half)


def wilson(share: float, n: int) -> Measurement:
    """A share of n samples with its 95 % interval, which is no point at 0 and 1 either.

    Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> wilson(1.0, 10)
    Measurement(value=1.0, low=0.7224598312333834, high=1.0)
    """
    z2 = 1.96**2 / n
    middle = (share + z2 / 2) / (1 + z2)
    half = math.sqrt(z2 * share * (1 - share) + z2**2 / 4) / (1 + z2)
    return Measurement(share, min(share, middle - half), max(share, middle + half))
