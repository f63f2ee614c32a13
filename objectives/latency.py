"""Time of one forward, measured beside the dense model."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..task import Direction, Inputs, Task, forward, head
from .base import Candidate, Measurement
from .memo import once
from .modes import measuring

Times = NDArray[np.float64]

WARM_UP = 2  # forwards before the first that counts: lazy initialisation, caches
RESAMPLES = 1000  # of the bootstrap; moves the ends of the interval by about a tenth of its width
UNDISTURBED = 0.1
"""The quantile of a model's times that stands for them. A load from outside only ever adds time:
beside seven busy processes on two cores the ratio of two small networks scattered by 3 % with this
quantile, by 11 % with the median (batch 4, 50 rounds)."""


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward of a batch, on the machine, device and threads as they are.

    The model and dense run in turns, the order changing from round to round, so that whatever
    slows the machine meets both. The value is (model time / dense time) x the dense time measured
    once, each time the :data:`UNDISTURBED` one of all rounds. The interval is that of the ratio:
    what the machine did when dense was timed does not blur the comparison of models.

    Attributes:
        batch: samples per forward; fewer where the first batch of val holds fewer.
        rounds: at most so many pairs of forwards are timed.
        seconds: time for the pairs; slow models get fewer rounds, at least three.
        dense_ms: the dense time; measured at first use when None.
    """

    batch: int = 1
    rounds: int = 50
    seconds: float = 0.15
    dense_ms: float | None = None

    name: ClassVar[str] = "latency"
    unit: ClassVar[str] = "ms"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> Measurement:
        """Time the model beside dense, both in eval mode and without gradients."""
        dense = candidate.dense
        inputs = once(dense, (self.name, self.batch), lambda: self.inputs(candidate.task))
        reference = self.dense_ms or once(dense, self, lambda: self.absolute(dense, inputs))
        if candidate.model is dense:
            return Measurement(reference)
        times = self.timed(candidate.model, dense, inputs)
        return ratio_interval(times, scale=reference)

    def inputs(self, task: Task) -> Inputs:
        """The head of the first batch of val."""
        return head(next(iter(task.batches("val")))[0], self.batch)

    def absolute(self, model: nn.Module, inputs: Inputs) -> float:
        """Time of a model alone, in ms."""
        times = self.timed(model, model, inputs)
        return float(np.quantile(times, UNDISTURBED)) * 1000

    def timed(self, model: nn.Module, dense: nn.Module, inputs: Inputs) -> Times:
        """Seconds of both models in every round, shape (rounds, 2)."""
        pair = (model, dense)
        with measuring(*pair):
            pace = min(sum(seconds(m, inputs) for m in pair) for _ in range(WARM_UP))
            rounds = int(np.clip(self.seconds / pace, 3, self.rounds))
            times = np.empty((rounds, 2))
            for r in range(rounds):
                for i in (0, 1) if r % 2 else (1, 0):
                    times[r, i] = seconds(pair[i], inputs)
        return times


def seconds(model: nn.Module, inputs: Inputs) -> float:
    """Wall time of one forward; waits for an accelerator to finish."""
    start = time.perf_counter()
    forward(model, inputs)
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()
    return time.perf_counter() - start


def ratio_interval(times: Times, *, scale: float) -> Measurement:
    """Model time / dense time with its 95 % interval by bootstrap over rounds, all x ``scale``.

    Args:
        times: (rounds, 2), model and dense.
        scale: what a ratio of 1 counts as.
    """
    rows = np.random.default_rng(0).integers(len(times), size=(RESAMPLES, len(times)))
    draws = np.quantile(times[rows], UNDISTURBED, axis=1)  # (RESAMPLES, 2)
    low, high = np.quantile(draws[:, 0] / draws[:, 1], (0.025, 0.975))
    model, dense = np.quantile(times, UNDISTURBED, axis=0)
    value = model / dense
    return Measurement(*(float(x) * scale for x in (value, min(low, value), max(high, value))))
