"""How far a model still answers what the dense model answers, whatever the targets say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from ..task import Direction, forward
from .base import Candidate, Measurement, mean_interval
from .modes import measuring


@dataclass(frozen=True)
class Agreement:
    """Share of samples whose largest output is that of the dense model; outputs (B, classes)."""

    name: ClassVar[str] = "agreement"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "maximize"

    def __call__(self, candidate: Candidate) -> Measurement:
        """Compare both models on the candidate's split."""
        pairs = answers(candidate)
        return mean_interval(
            torch.cat([(a.argmax(1) == b.argmax(1)).double().flatten() for a, b in pairs])
        )


@dataclass(frozen=True)
class Divergence:
    """Kullback-Leibler divergence of the model's classes from the dense model's, in nats."""

    name: ClassVar[str] = "kl"
    unit: ClassVar[str] = "nats"
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> Measurement:
        """Compare both models on the candidate's split; outputs are logits (B, classes)."""
        rows = []
        for model, dense in answers(candidate):
            log_p, log_q = F.log_softmax(dense.double(), 1), F.log_softmax(model.double(), 1)
            rows.append((log_p.exp() * (log_p - log_q)).sum(1).flatten())
        return mean_interval(torch.cat(rows))


def answers(candidate: Candidate) -> list[tuple[Tensor, Tensor]]:
    """Outputs of the model and of dense, batch by batch; the first of several outputs."""
    found = []
    models = (candidate.answers, candidate.dense)
    with measuring(*models):
        for inputs, _ in candidate.task.batches(candidate.split):
            pair = (forward(m, inputs) for m in models)
            first, second = (first_tensor(outputs) for outputs in pair)
            found.append((first, second))
    return found


def first_tensor(outputs: object) -> Tensor:
    """The outputs, or the first of them."""
    if isinstance(outputs, Tensor):
        return outputs
    values = list(outputs.values()) if isinstance(outputs, dict) else list(outputs)  # type: ignore[call-overload]
    return first_tensor(values[0])
