"""The loss or one metric of the task, as an objective."""

from __future__ import annotations

from dataclasses import dataclass

from ..task import Direction
from .base import Candidate, Measurement


@dataclass(frozen=True)
class Quality:
    """Mean of one metric, or of the loss, over the samples of the candidate's split.

    All qualities of one candidate come from one pass over the data.

    Attributes:
        metric: ``"loss"`` or the name of a metric of the task.
        direction: which way is better.
        unit: what one stands for; ``""`` for a share.
    """

    metric: str
    direction: Direction = "maximize"
    unit: str = ""

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.metric

    def __call__(self, candidate: Candidate) -> Measurement:
        """The mean with its 95 % interval, where there are samples or batches enough."""
        return candidate.quality[self.metric]
