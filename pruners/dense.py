"""Everything that trials need to know of the dense model, found once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch import Tensor, nn

from .allocation import Path, allocation
from .calibration import Calibration, Statistics
from .cost import CostModel, Floats
from .criteria import Random, Saliency, criterion
from .output_layer import OutputLayer, output_layer
from .pattern import Single, inverse_order, parse
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
    _ranks: dict[tuple[str, str], Mapping[str, Tensor]] = field(default_factory=dict)

    @cached_property
    def output(self) -> OutputLayer | None:
        """Its output layer; found when first asked for."""
        return output_layer(self.model, self.calibration, self.statistics)

    def scores(self, name: str, granularity: str, seed: int = 0) -> Saliency:
        """Saliency of every unit by criterion; computed when first asked for.

        Only the criterion ``"random"`` depends on ``seed``.
        """
        pattern = parse(granularity)
        if pattern is None or isinstance(pattern, Single):
            return self.elementary(name, granularity, seed)
        elements = self.elementary(name, "weight", seed)
        return {g.name: pattern.pooled(self.shaped(g, elements)) for g in self.units(granularity)}

    def elementary(self, name: str, granularity: str, seed: int) -> Saliency:
        """Saliency of structures, or of single weights, on the CPU wherever the model is."""
        if name == "random":
            return Random(seed)(self.model, self.units(granularity), self.calibration)
        key = (name, granularity)
        if key not in self.saliency:
            groups = self.units(granularity)
            scores = criterion(name)(self.model, groups, self.calibration)
            self.saliency[key] = {group: score.cpu() for group, score in scores.items()}
        return self.saliency[key]

    def ranks(self, name: str, granularity: str, seed: int = 0) -> Mapping[str, Tensor]:
        """For every group the number of units that outrank a unit, or an element's unit.

        Shape (width,) for structures, the weight's own shape for patterns of single weights.
        """
        key = (name if name != "random" else f"random {seed}", granularity)
        if key not in self._ranks:
            self._ranks[key] = self.ranked(name, granularity, seed)
        return self._ranks[key]

    def ranked(self, name: str, granularity: str, seed: int) -> dict[str, Tensor]:
        """:meth:`ranks`, computed."""
        pattern, groups = parse(granularity), self.units(granularity)
        if pattern is None:
            scores = self.scores(name, granularity, seed)
            return {g.name: inverse_order(scores[g.name]) for g in groups}
        elements = self.elementary(name, "weight", seed)
        return {g.name: pattern.ranks(self.shaped(g, elements)) for g in groups}

    def units(self, granularity: str) -> tuple[Group, ...]:
        """The groups of a granularity."""
        return self.tree.units(granularity)

    def shaped(self, group: Group, elements: Saliency) -> Tensor:
        """Scores of a weight's elements in its own shape."""
        shapes = {t.name: t.shape for t in self.tree.tensors}
        return elements[group.name].view(shapes[group.cuts[0].tensor])


def allocation_path(
    tree: ModelTree, granularity: str, cost: CostModel, name: str, saliency: Saliency
) -> Path:
    """The path of one allocation over the groups of one granularity.

    Structures are compared across groups by saliency relative to the mean of their group, since a
    unit of a wide layer is a small part of it; single weights as they are.
    """
    groups = tree.units(granularity)
    scores = [saliency[g.name].double().numpy() for g in groups]
    if granularity == "channel":
        scores = [relative_to_mean(s) for s in scores]
    shapes = {t.name: t.shape for t in tree.tensors}
    return allocation(name)(cost, scores, [producer_shape(g, shapes) for g in groups])


def relative_to_mean(scores: Floats) -> Floats:
    """Scores over their mean; zeros where all are zero."""
    relative: Floats = scores / max(float(np.mean(scores)), np.finfo(np.float64).tiny)
    return relative


def producer_shape(group: Group, shapes: Mapping[str, Sequence[int]]) -> tuple[int, ...]:
    """Shape of the largest parameter that makes the group's units."""
    along = [c.tensor for c in group.cuts if c.tensor in shapes and not c.reads]
    candidates = along or [c.tensor for c in group.cuts if c.tensor in shapes]
    found = [tuple(shapes[t]) for t in candidates]
    return max(found, key=lambda shape: (len(shape), math.prod(shape)))
