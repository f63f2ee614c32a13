"""Saliency from the weights alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from ..calibration import Calibration
from ..tree import Group
from .base import matrices, unit_sums

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class Magnitude:
    """Norm of the weights that make a unit; of single weights, their magnitude.

    Li et al. 2017, arXiv:1608.08710 (L1 norm of filters); ``power`` 2 gives the L2 norm.
    """

    power: int

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data."""
        powers = {n: p.abs() ** self.power for n, p in matrices(model).items()}
        return {g.name: unit_sums(g, powers) ** (1 / self.power) for g in groups}


@dataclass(frozen=True)
class GroupMagnitude:
    """L2 norm of all weights that go with a unit: those that make it and those that read it.

    Fang et al. 2023, arXiv:2301.12900, section 3.3.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data."""
        squares = {n: p**2 for n, p in matrices(model).items()}
        return {g.name: unit_sums(g, squares, readers=True).sqrt() for g in groups}


@dataclass(frozen=True)
class NormScale:
    """Sum of the |scales| of the norm layers on a unit; without any, the L1 norm of its weights.

    Liu et al. 2017, arXiv:1708.06519 (network slimming). Single weights: their magnitude.
    """

    def __call__(
        self, model: nn.Module, groups: Sequence[Group], calibration: Calibration
    ) -> dict[str, Tensor]:
        """See :class:`Criterion`; needs no data."""
        scales = {
            f"{name}.weight": module.weight.detach().abs()
            for name, module in model.named_modules()
            if isinstance(module, NORMS) and module.weight is not None
        }
        weights = {n: p.abs() for n, p in matrices(model).items()}
        return {
            g.name: unit_sums(g, scales if any(c.tensor in scales for c in g.cuts) else weights)
            for g in groups
        }
