"""What guessing scores: where the hypervolume of a quality begins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from ..objectives.base import Candidate, Objective
from ..objectives.registry import is_quality
from ..task import Direction, Task
from .recipe import measured

MOST = 1_000_000
"""Numbers from here on count something, they are no classes."""


class Guess(nn.Module):
    """Answers the same, whatever it is asked: each class by its share, or zeros.

    Attributes:
        model: whose outputs' shapes it gives.
        shares: of the classes, shape (C,); ``None`` for zeros.
    """

    def __init__(self, model: nn.Module, shares: Tensor | None) -> None:
        super().__init__()
        self.model = model
        self.shares = shares

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The logarithms of the shares in every row of logits, else zeros."""
        return tree_map(self.guessed, self.model(*args, **kwargs))

    def guessed(self, output: Any) -> Any:
        """In the place of one output."""
        if not isinstance(output, Tensor):
            return output
        zeros = torch.zeros_like(output)
        if self.shares is None or output.dim() != 2 or output.shape[1] < len(self.shares):
            return zeros
        logits = torch.full_like(zeros, -math.inf)
        logits[:, : len(self.shares)] = self.shares.log().to(output)
        return logits.clamp(min=math.log(1e-9))


def guessing(
    task: Task, model: nn.Module, dense: Mapping[str, float], measures: Sequence[Objective] = ()
) -> Mapping[str, float]:
    """Every quality of the best answer that does not look: the reference of the hypervolume.

    A pruned model that always names the largest class is worth nothing then. Where the dense model
    is no better than that, as on classes of very different sizes, the reference is worse: zeros as
    outputs, or no quality at all.

    Args:
        task: on whose validation split.
        model: the dense one.
        dense: its scores there.
        measures: objectives; the qualities among them count.
    """
    qualities = [o for o in measures if is_quality(o)]
    directions: dict[str, Direction] = {"loss": "minimize"}
    directions |= {n: task.metric(n).direction for n in task.metrics}
    directions |= {o.name: o.direction for o in qualities}
    found: dict[str, float] = {}
    for shares in (class_shares(task), None):
        guess = Candidate(Guess(model, shares), model, task)
        try:
            values = {n: m.value for n, m in guess.quality.items()} | measured(guess, qualities)[0]
        except Exception:  # a metric may refuse constant answers, as a correlation does
            continue
        for name, value in values.items():
            if name not in found and worse(value, dense[name], directions[name]):
                found[name] = value
        if found.keys() == directions.keys():
            break
    return {n: found.get(n, nothing(dense[n], directions[n])) for n in directions}


def class_shares(task: Task) -> Tensor | None:
    """Of the validation samples; ``None`` where targets are not numbers of classes."""
    counts = torch.zeros(0, dtype=torch.int64)
    for _, targets in task.batches("val"):
        classes = isinstance(targets, Tensor) and targets.dim() == 1 and len(targets) > 0
        if not classes or targets.is_floating_point():
            return None
        if targets.min() < 0 or targets.max() >= MOST:
            return None
        more = torch.bincount(targets.long().cpu(), minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return counts / counts.sum() if len(counts) else None


def worse(value: float, other: float, direction: Direction) -> bool:
    """Whether one quality is finite and worse than another.

    >>> worse(0.9, 0.8, "maximize"), worse(0.9, 0.8, "minimize")
    (False, True)
    """
    return math.isfinite(value) and (value < other if direction == "maximize" else value > other)


def nothing(dense: float, direction: Direction) -> float:
    """What counts as no quality: 0 where more is better, twice as much where less is.

    >>> nothing(0.8, "maximize"), nothing(0.5, "minimize"), nothing(-2.0, "maximize")
    (0.0, 1.0, -4.0)
    """
    lost = abs(dense) or 1.0
    return dense - lost if direction == "maximize" else dense + lost
