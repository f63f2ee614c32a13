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
RESAMPLES = 1000  # of the bootstrap; its 95 % ends then stand within about 0.5 %


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one forward of a batch, on the machine, device and threads as they are.

    The model and dense run in turns, the order changing from round to round, so that a load from
    outside meets both. The value is (median over rounds of model time / dense time) x the dense
    time, and the interval is that of the ratio: what the machine did when dense was timed does
    not blur the comparison of one model with another.

    Attributes:
        batch: samples per forward; fewer where the first batch of val holds fewer.
        rounds: at most so many pairs of forwards are timed.
        seconds: time for the pairs; slow models get fewer rounds, at least three.
        dense_ms: the dense time; measured at first use when None.
    """

    batch: int = 32
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
        return ratio_interval(times[:, 0] / times[:, 1], scale=reference)

    def inputs(self, task: Task) -> Inputs:
        """The head of the first batch of val."""
        return head(next(iter(task.batches("val")))[0], self.batch)

    def absolute(self, model: nn.Module, inputs: Inputs) -> float:
        """Median time of a model alone, in ms."""
        return float(np.median(self.timed(model, model, inputs))) * 1000

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


def ratio_interval(ratios: Times, *, scale: float) -> Measurement:
    """Median of a sample, shape (N,), with its 95 % interval by bootstrap, all times ``scale``."""
    draws = np.random.default_rng(0).choice(ratios, (RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(draws, axis=1), (0.025, 0.975))
    return Measurement(float(np.median(ratios)) * scale, float(low) * scale, float(high) * scale)
