"""Quality and size in one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..task import Direction
from .base import Candidate
from .size import Params


@dataclass(frozen=True)
class PenalisedLoss:
    """loss + weight x L0: the share of the dense model's parameters that is not zero.

    The scalar objective of L0-regularised pruning, Louizos et al. 2018 (arXiv:1712.01312), eq. (1),
    with the L0 norm relative to dense so that one weight suits models of any size.

    Attributes:
        weight: of the L0 norm.
    """

    weight: float = 1.0

    name: ClassVar[str] = "penalised_loss"
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "minimize"

    def __call__(self, candidate: Candidate) -> float:
        """The sum."""
        return candidate.quality["loss"].value + self.weight * Params()(candidate)
