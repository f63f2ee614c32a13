"""Saliency from where a unit lies among the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ..calibration import Calibration
from ..tree import Cut, Group
from .base import matrices


@dataclass(frozen=True)
class GeometricMedian:
    """Sum of a unit's distances to all others of its group: what is near their median is spare.

    He et al. 2019, arXiv:1811.00250 (FPGM), eq. (6), on the weights that make the units.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data.

        Raises:
            UsageError: single weights have no geometry.
        """
        if any(g.size for g in groups):
            raise UsageError("criterion 'fpgm' ranks channels and neurons alone; use 'l1'")
        weights = matrices(model)
        return {g.name: distances(g, weights) for g in groups}


def distances(group: Group, weights: dict[str, Tensor]) -> Tensor:
    """Sum of the distances of every unit to the others, shape (width,)."""
    cuts = [c for c in group.cuts if c.tensor in weights]
    makers = [c for c in cuts if not c.reads] or cuts
    points = torch.cat([vectors(c, weights[c.tensor]) for c in makers], dim=1)
    return torch.cdist(points, points).sum(dim=1)


def vectors(cut: Cut, weight: Tensor) -> Tensor:
    """The elements of every unit, shape (width, elements)."""
    slices = weight.movedim(cut.dim, 0).flatten(1)
    return torch.stack([slices[list(positions)].flatten() for positions in cut.indices])
