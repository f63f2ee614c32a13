"""What a criterion is, and the sum over a unit's elements that most of them are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from ..calibration import Calibration
from ..tree import Cut, Group
from ..uses import single

Saliency = Mapping[str, Tensor]
"""Scores by group name, shape (width,): of units, or of a weight's flattened elements."""


class Criterion(Protocol):
    """Saliency of every unit of every group."""

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """One finite, non-negative score per unit, shape (width,); the lowest go first.

        Leaves ``model`` as it was.

        Raises:
            UsageError: the criterion needs data or a loss that the calibration does not have.
        """


def unit_sums(group: Group, values: Mapping[str, Tensor], *, readers: bool = False) -> Tensor:
    """Sum of ``values`` over the elements that make each unit, shape (width,).

    Args:
        group: of structures, or of single weights (then the values of its elements).
        values: a tensor of the shape of each parameter, by name; parameters may be missing.
        readers: take the weights that read the units too.
    """
    if group.kind == "block":
        sums = [values[c.tensor].sum() for c in group.cuts if c.tensor in values]
        return torch.stack(sums).sum()[None]
    if group.size:
        return values[group.cuts[0].tensor].flatten()
    cuts = [c for c in group.cuts if c.tensor in values]
    makers = [c for c in cuts if readers or not c.reads]
    sums = [along(c, values[c.tensor]) for c in makers or cuts]
    total = torch.zeros(group.width, device=sums[0].device if sums else None)
    for part in sums:
        total += part
    return total


def along(cut: Cut, value: Tensor) -> Tensor:
    """Sum over everything but the units of a cut, shape (width,)."""
    slices = value.movedim(cut.dim, 0)
    sums = slices.flatten(1).sum(dim=1) if value.dim() > 1 else slices
    if all(len(positions) == 1 for positions in cut.indices):
        return sums[torch.tensor([positions[0] for positions in cut.indices])]
    return torch.stack([sums[list(positions)].sum() for positions in cut.indices])


def matrices(model: nn.Module) -> dict[str, Tensor]:
    """Parameters of two or more dimensions, by name, in single precision at least."""
    return {n: single(p.detach()) for n, p in model.named_parameters() if p.dim() > 1}
