"""Everything that trials need to know of the dense model, found once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from .allocation import Path, allocation
from .calibration import Calibration, Statistics
from .cost import CostModel, Floats
from .criteria import Random, Saliency, criterion
from .tree import Group, ModelTree


@dataclass(frozen=True, eq=False)
class Dense:
    """A dense model with its hierarchy, its calibration data and what was measured on them.

    Attributes:
        model: in eval mode; nobody changes it.
        tree: its groups.
        calibration: samples of the train split.
        statistics: of the inputs of its linear maps; empty = nothing to reconstruct from.
        saliency: by ``(criterion, granularity)``, filled as asked for.
        sha256: of its weights.
    """

    model: nn.Module
    tree: ModelTree
    calibration: Calibration
    statistics: Statistics = field(default_factory=dict)
    saliency: dict[tuple[str, str], Saliency] = field(default_factory=dict)
    sha256: str = ""
    _order: dict[tuple[str, str], Mapping[str, Tensor]] = field(default_factory=dict)

    def scores(self, name: str, granularity: str, seed: int = 0) -> Saliency:
        """Saliency of every group by criterion; computed when first asked for.

        Only the criterion ``"random"`` depends on ``seed``.
        """
        groups = self.tree.units(granularity)
        if name == "random":
            return Random(seed)(self.model, groups, self.calibration)
        key = (name, granularity)
        if key not in self.saliency:
            self.saliency[key] = criterion(name)(self.model, groups, self.calibration)
        return self.saliency[key]

    def order(self, name: str, granularity: str, seed: int = 0) -> Mapping[str, Tensor]:
        """Units of every group, the most salient first, shape (width,) each."""
        if name == "random":
            return descending(self.scores(name, granularity, seed))
        key = (name, granularity)
        if key not in self._order:
            self._order[key] = descending(self.scores(name, granularity))
        return self._order[key]


def descending(scores: Saliency) -> dict[str, Tensor]:
    """Positions by falling score; equal scores keep their order."""
    return {g: torch.argsort(s, descending=True, stable=True) for g, s in scores.items()}


def allocation_path(
    tree: ModelTree, granularity: str, cost: CostModel, name: str, saliency: Saliency
) -> Path:
    """The path of one allocation over the groups of one granularity.

    Structures are compared across groups by saliency relative to the mean of their group, since a
    unit of a wide layer is a small part of it; single weights as they are.
    """
    groups = tree.units(granularity)
    scores = [saliency[g.name].double().numpy() for g in groups]
    if granularity != "weight":
        scores = [relative_to_mean(s) for s in scores]
    shapes = {t.name: t.shape for t in tree.tensors}
    return allocation(name)(cost, scores, [producer_shape(g, shapes) for g in groups])


def relative_to_mean(scores: Floats) -> Floats:
    """Scores over their mean; zeros where all are zero."""
    relative: Floats = scores / max(float(np.mean(scores)), np.finfo(np.float64).tiny)
    return relative


def producer_shape(group: Group, shapes: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Shape of the largest parameter along whose first dimension the group's units lie."""
    along = [c.tensor for c in group.cuts if c.tensor in shapes and c.dim <= 0]
    candidates = along or [c.tensor for c in group.cuts if c.tensor in shapes]
    found = [tuple(shapes[t]) for t in candidates]
    return max(found, key=lambda shape: (len(shape), math.prod(shape)))
