"""Saliency from what the next layer receives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...errors import UsageError
from ..calibration import Calibration, input_statistics
from ..tree import Group
from .base import along, matrices, unit_sums


@dataclass(frozen=True)
class ActivationWeighted:
    """How much a unit feeds the next layer: mean |activation| x sum of the |weights| that read it.

    Of single weights: |weight| x mean |input|. After Sun et al. 2024, arXiv:2306.11695, eq. (1),
    with the mean absolute in place of the L2 norm. Units that no measured weight reads are scored
    by the L1 norm of the weights that make them.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs data."""
        if not calibration.batches:
            raise UsageError("criterion 'activation' needs data: pass calibration=[batch, ...]")
        magnitudes = {n: p.abs() for n, p in matrices(model).items()}
        fed = dict(magnitudes)
        measured = set()
        for name, stats in input_statistics(model, calibration, grams=False).items():
            if stats.use.groups == 1:
                shape = [1] * magnitudes[name].dim()
                shape[stats.use.in_dim] = -1
                fed[name] = magnitudes[name] * stats.mean_abs.view(shape)
                measured.add(name)
        return {g.name: self.score(g, fed, magnitudes, measured) for g in groups}

    def score(
        self,
        group: Group,
        fed: dict[str, Tensor],
        magnitudes: dict[str, Tensor],
        measured: set[str],
    ) -> Tensor:
        """Scores of one group, shape (width,)."""
        if group.kind == "block":
            return unit_sums(group, fed)
        if group.size:
            return fed[group.cuts[0].tensor].flatten()
        readers = [c for c in group.cuts if c.reads and c.tensor in measured]
        if not readers:
            return unit_sums(group, magnitudes)
        return torch.stack([along(c, fed[c.tensor]) for c in readers]).sum(dim=0)
