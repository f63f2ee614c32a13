"""What any choice of widths costs, as exact arithmetic: no model is built to know a cost.

The size of every tensor dimension is linear in the widths, a tensor's element count is the product
over its dimensions, and its multiply-accumulates are proportional to the elements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import unknown
from .tree import Group, ModelTree

Budget = Literal["units", "params", "macs"]
BUDGETS: tuple[Budget, ...] = ("units", "params", "macs")
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CostModel:
    """Units, parameters and multiply-accumulates as functions of the widths of G groups.

    Attributes:
        names: of the groups, in the order of every width vector.
        widths: units of each group in the dense model, shape (G,).
        floor: fewest units that may stay of each group, shape (G,).
        step: units of each group that come and go together beyond the floor, shape (G,).
        base: positions outside all groups, per tensor and dimension, shape (T, D); padded with 1.
        slope: positions per unit, shape (T, D, G).
        macs_per_element: shape (T,).
    """

    names: tuple[str, ...]
    widths: Ints
    floor: Ints
    step: Ints
    base: Floats
    slope: Floats
    macs_per_element: Floats

    @classmethod
    def of(cls, tree: ModelTree, granularity: str) -> CostModel:
        """The cost model of one granularity: structures, or single weights."""
        groups = tree.units(granularity)
        index = {t.name: i for i, t in enumerate(tree.tensors)}
        depth = max([len(t.shape) for t in tree.tensors] + [1])
        base = np.ones((len(tree.tensors), depth))
        for i, t in enumerate(tree.tensors):
            base[i, : len(t.shape)] = t.shape
        slope = np.zeros((len(tree.tensors), depth, len(groups)))
        macs = np.array([t.macs / max(1, math.prod(t.shape)) for t in tree.tensors])
        for g, group in enumerate(groups):
            for cut in group.cuts:
                if cut.tensor not in index:
                    continue
                row = index[cut.tensor]
                if group.size:
                    base[row] = [0.0] + [1.0] * (depth - 1)
                    slope[row, 0, g] = math.prod(tree.tensors[row].shape) / group.size
                else:
                    per_unit = len(cut.indices[0])
                    base[row, cut.dim] -= per_unit * group.width
                    slope[row, cut.dim, g] += per_unit
        names = tuple(g.name for g in groups)
        counts = np.array([(g.width, g.floor, g.step) for g in groups], np.int64).reshape(-1, 3)
        width, floor, step = counts.T
        return cls(names, width, floor, step, base, slope, macs)

    def aligned(self, multiple: int) -> CostModel:
        """Where only widths that are multiples are allowed, and the dense one.

        A group of which fewer than two multiples would be left gets the next smaller power of two.
        Units of several positions, heads say, count as so many.
        """
        sizes = np.where(self.slope > 0, self.slope, np.inf).min(axis=(0, 1), initial=np.inf)
        step = self.step.copy()
        for g, size in enumerate(np.where(np.isfinite(sizes), sizes, 1).astype(np.int64)):
            own = multiple
            while own > 1 and self.widths[g] < 2 * own // math.gcd(own, int(size)):
                own //= 2
            step[g] = math.lcm(int(self.step[g]), own // math.gcd(own, int(size)))
        floor = np.minimum(-(-self.floor // step) * step, self.widths)
        return replace(self, step=step, floor=np.where(step > 1, floor, self.floor))

    @cached_property
    def tensors(self) -> Ints:
        """How many tensors each group is a part of, shape (G,): a residual stream, of many."""
        count: Ints = np.maximum(1, (self.slope > 0).any(axis=1).sum(axis=0))
        return count

    def sizes(self, widths: Floats | Ints) -> Floats:
        """Sizes of every tensor's dimensions, zero where it is gone, (N, G) -> (N, T, D)."""
        sizes: Floats = self.base + np.tensordot(widths, self.slope, axes=(1, 2))
        return sizes

    def elements(self, widths: Floats | Ints) -> Floats:
        """Elements of every tensor at these widths, shape (G,) -> (T,)."""
        elements: Floats = (self.base + self.slope @ widths).prod(axis=1)
        return elements

    def cost(self, widths: Floats | Ints, budget: str) -> float:
        """What ``widths`` (G,) cost, in ``"units"``, ``"params"`` or ``"macs"``."""
        if budget == "units":
            return float(np.sum(widths))
        if budget == "params":
            return float(self.elements(widths).sum())
        if budget == "macs":
            return float(self.elements(widths) @ self.macs_per_element)
        raise unknown("budget", budget, BUDGETS)

    def share(self, widths: Floats | Ints, budget: str) -> float:
        """The cost of ``widths`` relative to the dense model's."""
        return self.cost(widths, budget) / self.cost(self.widths, budget)

    def vector(self, densities: Mapping[str, float]) -> Ints:
        """Widths (G,) of densities by group name; groups not named stay dense."""
        shares = np.array([densities.get(name, 1.0) for name in self.names])
        return self.snap(np.rint(shares * self.widths))

    def snap(self, units: Floats) -> Ints:
        """The nearest allowed widths at or below ``units`` (G,); the floor where that is more.

        Allowed are the floor plus whole steps, and the dense width.
        """
        steps = np.maximum(0, np.floor((units - self.floor) / self.step))
        stepped = np.minimum(self.floor + steps * self.step, self.widths)
        return np.where(units >= self.widths, self.widths, stepped).astype(np.int64)

    def wider(self, widths: Ints) -> Ints:
        """The next allowed widths above, or the dense ones."""
        wider: Ints = np.minimum(widths + self.step, self.widths)
        return wider

    def densities(self, widths: Ints) -> dict[str, float]:
        """Densities by group name; :meth:`vector` gives the same widths back."""
        return dict(zip(self.names, (widths / self.widths).tolist(), strict=True))


def group_costs(model: CostModel, groups: Sequence[Group]) -> dict[str, tuple[int, int]]:
    """Parameters and MACs that go when one group is emptied and all others stay, by name."""
    costs = {}
    for g, group in enumerate(groups):
        without = model.widths.copy()
        without[g] = 0
        saved = [model.cost(model.widths, b) - model.cost(without, b) for b in ("params", "macs")]
        costs[group.name] = (round(saved[0]), round(saved[1]))
    return costs
