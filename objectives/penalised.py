"""Quality and size in one number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ..errors import UsageError
from ..task import Direction
from .base import Candidate, Measurement
from .size import Params

NAME = "penalised_loss"


@dataclass(frozen=True)
class PenalisedLoss:
    """loss + weight x L0: the share of the dense model's parameters that is not zero.

    The scalar objective of L0-regularised pruning, Louizos et al. 2018 (arXiv:1712.01312), eq. (1),
    with the L0 norm relative to dense so that one weight suits models of any size.

    Attributes:
        weight: of the L0 norm.
    """

    weight: float = 1.0

    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "minimize"

    def __post_init__(self) -> None:
        """Check the weight."""
        if not 0 <= self.weight < math.inf:
            raise UsageError(f"the weight of {NAME} must be 0 or more, got {self.weight}")

    @property
    def name(self) -> str:
        """``penalised_loss``, and the weight where it is not 1."""
        return NAME if self.weight == 1 else f"{NAME}_{self.weight!r}"

    @classmethod
    def called(cls, name: str) -> PenalisedLoss | None:
        """The one of that name, ``penalised_loss_0.1`` say; None where it is another's name.

        >>> PenalisedLoss.called("penalised_loss_0.1")
        PenalisedLoss(weight=0.1)

        Raises:
            UsageError: the weight is written in another way than in :attr:`name`, or negative.
        """
        head, _, weight = name.rpartition("_")
        try:
            number = float(weight)
        except ValueError:
            return cls() if name == NAME else None
        if head != NAME:
            return None
        found = cls(number)
        if found.name != name:
            raise UsageError(f"write {found.name!r} in the place of {name!r}")
        return found

    def __call__(self, candidate: Candidate) -> Measurement:
        """The sum, with the interval of the loss."""
        penalty = self.weight * Params()(candidate)
        return shifted(candidate.quality["loss"], penalty)


def shifted(found: Measurement, by: float) -> Measurement:
    """A value and its interval, moved."""
    if found.low is None or found.high is None:
        return Measurement(found.value + by)
    return Measurement(found.value + by, found.low + by, found.high + by)
