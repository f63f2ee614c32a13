"""What a model's layers see: statistics of their dense inputs on a few hundred training samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UsageError
from ..task import Batch, Task, batch_size, head
from .uses import LinearUse, features, single, visit_uses

SAMPLES = 1024
"""Of the train split: a Gram matrix wants more samples than a layer has inputs."""
MAX_FEATURES = 8192
"""Layers with more input features get no Gram matrix: it would take over 256 MB."""
MAX_ROWS = 65536
"""Rows that one layer adds to its Gram matrix; convolutions on large images are thinned to it."""


@dataclass(frozen=True)
class Calibration:
    """A few batches of the train split, and the loss, for everything estimated from data."""

    batches: tuple[Batch, ...]
    loss: Callable[[Any, Any], Tensor] | None = None

    @classmethod
    def of(cls, task: Task, samples: int = SAMPLES, seed: int = 0) -> Calibration:
        """The first ``samples`` of the task's train split, in a reproducible order."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return cls(tuple(take(task.batches("train"), samples)), task.loss)


def take(batches: Iterable[Batch], samples: int) -> Iterable[Batch]:
    """The first ``samples`` samples, the last batch shortened."""
    for inputs, targets in islice(batches, samples):
        n = batch_size(inputs)
        if n >= samples:
            yield head(inputs, samples), head(targets, samples)
            return
        samples -= n
        yield inputs, targets


@dataclass(frozen=True)
class InputStatistics:
    """Moments of what one parameter is multiplied by in the dense model.

    Attributes:
        use: how the parameter is used as a matrix.
        gram: mean of u u^T over samples and positions for every group of a convolution (one
            otherwise), shape (groups, n, n), where u holds the input features in the order of
            :func:`~hierprune.pruners.uses.matrix`; ``None`` above ``MAX_FEATURES``.
        mean_abs: mean of |x| per input, shape (inputs,).
    """

    use: LinearUse
    gram: Tensor | None
    mean_abs: Tensor


Statistics = Mapping[str, InputStatistics]
"""By the name of the weight."""


def input_statistics(
    model: nn.Module, calibration: Calibration, *, grams: bool = True
) -> dict[str, InputStatistics]:
    """Statistics of the inputs of every parameter that is used as a matrix.

    A parameter that is used in several ways (an embedding that is also the output layer) has no
    Gram matrix; without ``grams`` none has. One that is never given a row (an expert that nothing
    is routed to) has no statistics. ``model`` runs in eval mode and is left as it was.

    Raises:
        UsageError: what a layer is given is not finite.
    """
    weights = dict(model.named_parameters())
    sums: dict[str, RunningSum] = {}
    shared: set[str] = set()
    rows = MAX_ROWS // max(1, len(calibration.batches)) if grams else 0

    def visit(use: LinearUse, x: Tensor) -> None:
        if not x.numel():
            return
        running = sums.setdefault(use.weight, RunningSum(use, weights[use.weight], rows))
        if running.use == use:
            running.add(x)
        else:
            shared.add(use.weight)

    for number, (inputs, _) in enumerate(calibration.batches, start=1):
        for running in sums.values():
            running.rows_left = rows
        shared |= visit_uses(model, inputs, visit)
        for name, running in sums.items():
            if not running.finite:
                raise UsageError(
                    f"batch {number} of the train or calibration data gives the weight {name!r} "
                    f"inputs that are NaN or infinite; drop or mend those samples"
                )
    means = {name: running.mean() for name, running in sums.items()}
    return {n: replace(m, gram=None) if n in shared else m for n, m in means.items()}


class RunningSum:
    """Adds up the input moments of one use, call by call."""

    def __init__(self, use: LinearUse, weight: Tensor, rows: int) -> None:
        self.use = use
        self.weight = weight
        self.gram: Tensor | None = None
        self.gram_rows = 0
        self.abs_sum: Tensor | float = 0.0
        self.count = 0
        self.finite = True
        self.rows_left = rows

    def add(self, x: Tensor) -> None:
        """Take in the inputs of one call: (rows, inputs), or (N, inputs, positions...)."""
        channels_last = x if self.use.convolution is None else x.movedim(1, -1).flatten(0, -2)
        self.abs_sum = self.abs_sum + single(channels_last).abs().sum(dim=0)
        self.count += len(channels_last)
        self.finite = self.finite and bool(x.isfinite().all())
        if self.rows_left > 0 and self.has_gram():
            self.add_gram(features(self.use, self.weight, x))

    def has_gram(self) -> bool:
        """Whether a Gram matrix is worth its memory."""
        settings = self.use.convolution
        if settings is not None and settings.transposed and settings.groups > 1:
            return False
        kernel = self.weight.shape[2:].numel() if settings else 1
        return self.weight.shape[self.use.in_dim] * kernel <= MAX_FEATURES

    def add_gram(self, u: Tensor) -> None:
        """Add u^T u of feature rows, shape (groups, rows, n), thinned to the rows left."""
        u = u[:, :: -(-u.shape[1] // self.rows_left)]
        self.rows_left -= u.shape[1]
        self.gram_rows += u.shape[1]
        update = u.transpose(1, 2) @ u
        self.gram = update if self.gram is None else self.gram.add_(update)

    def mean(self) -> InputStatistics:
        """The means over everything added."""
        gram = None if self.gram is None else self.gram / self.gram_rows
        return InputStatistics(self.use, gram, torch.as_tensor(self.abs_sum) / self.count)
