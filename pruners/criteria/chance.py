"""No saliency at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..calibration import Calibration
from ..tree import Group


@dataclass(frozen=True)
class Random:
    """Random scores in [0, 1), the control that every criterion must beat."""

    seed: int = 0

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data."""
        generator = torch.Generator().manual_seed(self.seed)
        return {g.name: torch.rand(g.width, generator=generator) for g in groups}
