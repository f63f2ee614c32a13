"""What a model has lost so far, and how it loses more while it trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor, nn

from ...copies import copy_model
from ...task import Task
from ..allocation import lamp_score, ranked
from ..calibration import input_statistics
from ..dense import Dense
from ..pattern import parse
from ..plan import PruningPlan
from ..prune import apply_plan, counts, shrink
from ..training import Held
from ..tree_cache import task_tree

Gradients = Callable[[], Mapping[str, Tensor]]
"""Gives the gradient of the loss by every parameter's name, also where weights are zero."""


class Shape(Protocol):
    """A model on its way to a plan."""

    model: nn.Module

    def narrow(self, density: Mapping[str, float]) -> Shape:
        """Keep these shares of the dense units, by group; what to go on with, often itself."""

    def rewind(self, weights: Mapping[str, Tensor]) -> None:
        """Give what is left the weights that the whole model once had, by state dict."""

    def aim(self, density: Mapping[str, float]) -> None:
        """Choose for these shares from now on, by group."""

    def penalty(self) -> Tensor | float:
        """What the choice adds to the loss."""

    def exchange(self, share: float, density: Mapping[str, float], gradients: Gradients) -> None:
        """Let zeroed weights of large gradient take the place of a share of small ones."""

    def held(self) -> Held:
        """Where parameters stay zero."""

    def plan(self) -> PruningPlan:
        """What was decided, with the units kept so far."""


class Decided:
    """No choice is being made."""

    def aim(self, density: Mapping[str, float]) -> None:
        """See :class:`Shape`."""

    def penalty(self) -> float:
        """See :class:`Shape`."""
        return 0.0


@dataclass(eq=False)
class Cuts(Decided):
    """Structures go for good: ranked by the plan's criterion on the model as it has become.

    Residual blocks are among them; :func:`begin` has them go before any training.

    Attributes:
        dense: what it came from.
        target: the plan.
        task: says how its model is traced.
        model: as it is now.
        keep: units of the dense model that it has, by group; groups not named are whole.
    """

    dense: Dense
    target: PruningPlan
    task: Task
    model: nn.Module
    keep: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def narrow(self, density: Mapping[str, float]) -> Cuts:
        """See :class:`Shape`; layers are reconstructed as the plan's recovery says."""
        widths = {g.name: g.width for g in self.dense.units(self.target.granularity)}
        now = {name: len(self.keep.get(name, range(width))) for name, width in widths.items()}
        wanted = counts(self.dense, replace(self.target, density=density))
        shares = {n: count / now[n] for n, count in wanted.items() if count < now[n]}
        if not shares:
            return self
        self.model, plan = apply_plan(self.as_dense(), replace(self.target, density=shares))
        for name, units in (plan.keep or {}).items():
            before = self.keep.get(name, range(widths[name]))
            self.keep[name] = tuple(before[unit] for unit in units)
        return self

    def rewind(self, weights: Mapping[str, Tensor]) -> None:
        """See :class:`Shape`; blocks went before there was anything to go back to."""
        if self.target.granularity == "block":
            return
        whole = copy_model(self.dense.model)
        whole.load_state_dict(weights)
        self.model = shrink(whole, self.dense.tree, self.target.granularity, self.keep)

    def as_dense(self) -> Dense:
        """The model as it is now, as one to be pruned."""
        if not self.keep:
            return replace(self.dense, model=self.model.eval(), saliency={}, _ranks={})
        calibration = self.dense.calibration
        tree = task_tree(self.task, self.model.eval())
        statistics = input_statistics(self.model, calibration) if calibration.batches else {}
        return Dense(self.model, tree, calibration, statistics)

    def exchange(self, share: float, density: Mapping[str, float], gradients: Gradients) -> None:
        """See :class:`Shape`; structures do not grow back."""

    def held(self) -> Held:
        """See :class:`Shape`."""
        return []

    def plan(self) -> PruningPlan:
        """See :class:`Shape`."""
        return replace(self.target, keep=dict(self.keep))


@dataclass(eq=False)
class Masks(Decided):
    """Weights become zero: the smallest of every group, as they have become.

    Attributes:
        dense: what it came from.
        target: the plan.
        model: as it is now.
        zeros: where weights are held at zero, by the name of the parameter.
        found: density by group, of groups that shared a number of weights.
    """

    dense: Dense
    target: PruningPlan
    model: nn.Module
    zeros: dict[str, Tensor] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)

    @classmethod
    def begin(cls, dense: Dense, target: PruningPlan, density: Mapping[str, float]) -> Masks:
        """What goes before any training: ranked by the plan's criterion, then reconstructed."""
        model, _ = apply_plan(dense, replace(target, density=density))
        masks = cls(dense, target, model)
        ranks = dense.ranks(target.criterion, target.granularity, target.seed)
        for name, count in counts(dense, replace(target, density=density)).items():
            masks.hold(name, ranks[name] >= count)
        return masks

    def narrow(self, density: Mapping[str, float]) -> Masks:
        """See :class:`Shape`; the model stays the same one."""
        for name, count in counts(self.dense, replace(self.target, density=density)).items():
            self.hold(name, self.ranks(self.sizes(name)) >= count)
        return self

    def share(self, density: Mapping[str, float]) -> Mapping[str, float]:
        """Densities that keep as many single weights, those of the highest LAMP of all groups.

        Units of other patterns differ in size from group to group: they stay as given.
        """
        if self.target.granularity != "weight":
            return density
        kept = counts(self.dense, replace(self.target, density=density))
        sizes = [self.sizes(name).clamp_min(0.0).flatten().double().cpu().numpy() for name in kept]
        path = ranked([lamp_score(s) for s in sizes])
        position = sum(kept.values()) / max(1, path.total)
        self.found = dict(zip(kept, path(position).tolist(), strict=True))
        return self.found

    def rewind(self, weights: Mapping[str, Tensor]) -> None:
        """See :class:`Shape`."""
        self.model.load_state_dict(weights)
        for parameter, zeros in self.held():
            parameter.data.masked_fill_(zeros, 0.0)

    def exchange(self, share: float, density: Mapping[str, float], gradients: Gradients) -> None:
        """See :class:`Shape`."""
        found = gradients()
        for name, count in counts(self.dense, replace(self.target, density=density)).items():
            strong = self.ranks(self.sizes(name)) < count - round(share * count)
            steep = found[self.tensors[name]].abs().masked_fill(strong, torch.inf)
            self.hold(name, self.ranks(steep) >= count)

    def hold(self, name: str, zeros: Tensor) -> None:
        """Zero these elements of a group's weight from now on, and no others."""
        with torch.no_grad():
            weight = self.weight(name)
            zeros = zeros.to(weight.device)
            weight.masked_fill_(zeros, 0.0)
        self.zeros[self.tensors[name]] = zeros

    def sizes(self, name: str) -> Tensor:
        """Magnitude of every element of a group's weight; of those held at zero below all."""
        weight = self.weight(name).detach().abs()
        zeros = self.zeros.get(self.tensors[name])
        return weight if zeros is None else weight.masked_fill(zeros, -1.0)

    def ranks(self, scores: Tensor) -> Tensor:
        """For every element the number of units that outrank its own."""
        pattern = parse(self.target.granularity)
        assert pattern is not None
        return pattern.ranks(scores)

    @cached_property
    def tensors(self) -> dict[str, str]:
        """The parameter's name of every group."""
        groups = self.dense.units(self.target.granularity)
        return {g.name: g.cuts[0].tensor for g in groups}

    def weight(self, name: str) -> nn.Parameter:
        """The parameter of a group."""
        return self.model.get_parameter(self.tensors[name])

    def held(self) -> Held:
        """See :class:`Shape`."""
        return [(self.model.get_parameter(n), zeros) for n, zeros in self.zeros.items()]

    def plan(self) -> PruningPlan:
        """See :class:`Shape`."""
        return replace(self.target, density={**self.target.density, **self.found})


def begin(dense: Dense, target: PruningPlan, task: Task, density: Mapping[str, float]) -> Shape:
    """A model with these shares of the dense units, not trained yet.

    Args:
        dense: left as it was.
        target: the plan on the way to which it is.
        task: says how its model is traced.
        density: by group; blocks, which cannot go by degrees, go as the target says.
    """
    if parse(target.granularity) is not None:
        return Masks.begin(dense, target, density)
    if target.granularity == "block":
        model, plan = apply_plan(dense, target)
        return Cuts(dense, target, task, model, dict(plan.keep or {}))
    cuts = Cuts(dense, target, task, copy_model(dense.model))
    cuts.narrow(density)
    return cuts


def restored(
    dense: Dense,
    target: PruningPlan,
    task: Task,
    keep: Mapping[str, tuple[int, ...]],
    zeros: Mapping[str, Tensor],
) -> Shape:
    """A model of the shape that it had; its weights are still to be loaded."""
    if parse(target.granularity) is not None:
        return Masks(dense, target, copy_model(dense.model), dict(zeros))
    model = shrink(dense.model, dense.tree, target.granularity, keep)
    return Cuts(dense, target, task, model, dict(keep))
