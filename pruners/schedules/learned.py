"""Units that are chosen while the dense model trains, and go at once when they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ...copies import copy_model
from ...task import Task
from ..calibration import input_statistics
from ..criteria import Saliency
from ..dense import Dense
from ..plan import PruningPlan
from ..prune import apply_plan
from ..training import Held
from ..tree import Cut, Group
from .choosers import Choice, Chooser
from .shape import Cuts, Gradients, Masks, Shape


@dataclass(frozen=True, eq=False)
class Place:
    """Where units live in one parameter.

    Attributes:
        tensor: name of the parameter.
        dim: the dimension along which they lie; -1 where every element is one.
        reads: whether the parameter is a matrix that reads them.
        positions: along ``dim``, of all units.
        owners: the unit of every position.
    """

    tensor: str
    dim: int
    reads: bool
    positions: Tensor
    owners: Tensor

    @classmethod
    def of(cls, cut: Cut) -> Place:
        """The places of a cut."""
        pairs = [(i, unit) for unit, own in enumerate(cut.indices) for i in own]
        positions, owners = torch.tensor(pairs, dtype=torch.long).view(-1, 2).unbind(1)
        return cls(cut.tensor, cut.dim, cut.reads, positions, owners)

    def spread(self, gates: Tensor, tensor: Tensor) -> Tensor:
        """Gates as they multiply the parameter: one for every element, or along a dimension."""
        if self.dim < 0:
            return gates
        along = gates.new_ones(tensor.shape[self.dim])
        positions, owners = self.positions.to(gates.device), self.owners.to(gates.device)
        along = along.index_put((positions,), gates[owners])
        return along.view([-1 if d == self.dim else 1 for d in range(tensor.dim())])

    def squares(self, tensor: Tensor, width: int) -> Tensor:
        """Sum of squares of every unit's slices, shape (width,)."""
        along = tensor.movedim(self.dim, 0).reshape(tensor.shape[self.dim], -1)
        own = along.square().sum(1)[self.positions.to(along.device)]
        return own.new_zeros(width).index_add(0, self.owners.to(own.device), own)


class Gated(nn.Module):
    """A model whose units are multiplied by the gates of choosers, one for every group.

    Args:
        model: its parameters are trained along with the choosers'.
        groups: structures, or weights.
        choice: makes the choosers.
    """

    units: Tensor

    def __init__(self, model: nn.Module, groups: Sequence[Group], choice: Choice) -> None:
        super().__init__()
        self.inner = model
        self.widths = {g.name: g.width for g in groups}
        names = dict(model.named_parameters())
        self.places = {g.name: [Place.of(c) for c in g.cuts if c.tensor in names] for g in groups}
        self.sized_by = {
            name: self.scales(places) if choice.scales else places
            for name, places in self.places.items()
        }
        norms = [self.norms(name).detach() for name in self.widths]
        tiny = torch.finfo(torch.float32).tiny
        self.register_buffer("units", torch.stack([n.mean() for n in norms]).clamp_min(tiny))
        self.choosers = nn.ModuleList(
            choice.choosing(norm / unit) for norm, unit in zip(norms, self.units, strict=True)
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's outputs with its gates where they are."""
        return functional_call(self.inner, self.gated(), args, kwargs)

    def gated(self) -> dict[str, Tensor]:
        """The parameters that gates multiply, multiplied."""
        found: dict[str, Tensor] = {}
        for name, chooser, sizes in self.choices():
            gates = chooser.gates(sizes)
            for place in readers(self.places[name]):
                own = self.inner.get_parameter(place.tensor)
                tensor = found.get(place.tensor, own)
                found[place.tensor] = tensor * place.spread(gates, tensor)
        return found

    def penalty(self) -> Tensor:
        """Mean of the choosers' penalties, a scalar."""
        return torch.stack([c.penalty(sizes) for _, c, sizes in self.choices()]).mean()

    @torch.no_grad()
    def aim(self, density: Mapping[str, float]) -> None:
        """Keep these shares, by group."""
        for name, chooser, sizes in self.choices():
            chooser.aim(density[name], sizes)

    @torch.no_grad()
    def scores(self) -> dict[str, Tensor]:
        """Of every unit, flat, by group, on the CPU."""
        return {name: c.scores(sizes).flatten().cpu() for name, c, sizes in self.choices()}

    @torch.no_grad()
    def baked(self) -> nn.Module:
        """A copy of the model with the gates multiplied into its weights; both in eval mode."""
        self.eval()
        model = copy_model(self.inner)
        for name, tensor in self.gated().items():
            model.get_parameter(name).copy_(tensor)
        return model

    def choices(self) -> Iterator[tuple[str, Chooser, Tensor]]:
        """Groups by name, with their chooser and the sizes of their units."""
        for (name, chooser), unit in zip(
            zip(self.widths, self.choosers, strict=True), self.units, strict=True
        ):
            yield name, cast(Chooser, chooser), self.norms(name) / unit

    def norms(self, name: str) -> Tensor:
        """Norm of every unit of a group; of single weights, their magnitudes."""
        places = self.sized_by[name]
        tensors = [self.inner.get_parameter(p.tensor) for p in places]
        if places[0].dim < 0:
            return tensors[0].abs()
        width = self.widths[name]
        squares = [p.squares(t, width) for p, t in zip(places, tensors, strict=True)]
        return (torch.stack(squares).sum(0) + torch.finfo(torch.float32).tiny).sqrt()

    def scales(self, places: Sequence[Place]) -> Sequence[Place]:
        """The scales of BatchNorms among places; all of them where there is none."""
        return [p for p in places if self.is_scale(p.tensor)] or places

    def is_scale(self, parameter: str) -> bool:
        """Whether a parameter is the scale of a BatchNorm."""
        owner, _, name = parameter.rpartition(".")
        module = self.inner.get_submodule(owner)
        return name == "weight" and isinstance(module, nn.modules.batchnorm._BatchNorm)


def readers(places: Sequence[Place]) -> Sequence[Place]:
    """Where gates multiply: the matrices that read the units, else all their parameters."""
    return [p for p in places if p.reads] or places


@dataclass(eq=False)
class Learned:
    """The dense model with choosers; see :class:`Shape`. Narrowing ends it.

    Attributes:
        dense: what it came from.
        target: the plan.
        task: says how its model is traced.
        gated: as it is now.
        model: the same.
    """

    dense: Dense
    target: PruningPlan
    task: Task
    gated: Gated
    model: nn.Module

    @classmethod
    def begin(cls, dense: Dense, target: PruningPlan, task: Task, choice: Choice) -> Learned:
        """Choosers for the groups that the plan names."""
        groups = [g for g in dense.units(target.granularity) if g.name in target.density]
        model = Gated(copy_model(dense.model), groups, choice)
        return cls(dense, target, task, model, model)

    def narrow(self, density: Mapping[str, float]) -> Shape:
        """See :class:`Shape`."""
        if all(share >= 1 for share in density.values()):
            return self
        model = self.gated.baked()
        scores: dict[tuple[str, str], Saliency] = {("l1", self.kind): self.gated.scores()}
        calibration = self.dense.calibration
        statistics = input_statistics(model, calibration) if calibration.batches else {}
        chosen = replace(self.dense, model=model, statistics=statistics, saliency=scores, _ranks={})
        return settled(chosen, self.target, self.task, density)

    @property
    def kind(self) -> str:
        """Of the scores: of structures, or of single weights whatever their pattern."""
        return "channel" if self.target.granularity == "channel" else "weight"

    def rewind(self, weights: Mapping[str, Tensor]) -> None:
        """See :class:`Shape`."""
        self.gated.inner.load_state_dict(weights)

    def aim(self, density: Mapping[str, float]) -> None:
        """See :class:`Shape`."""
        self.gated.aim(density)

    def penalty(self) -> Tensor | float:
        """See :class:`Shape`."""
        return self.gated.penalty()

    def exchange(self, share: float, density: Mapping[str, float], gradients: Gradients) -> None:
        """See :class:`Shape`."""

    def held(self) -> Held:
        """See :class:`Shape`."""
        return []

    def plan(self) -> PruningPlan:
        """See :class:`Shape`."""
        return self.target


def settled(chosen: Dense, target: PruningPlan, task: Task, density: Mapping[str, float]) -> Shape:
    """The model narrowed to these shares by the scores that were learned."""
    wanted = replace(target, criterion="l1", density=density)
    if target.granularity != "channel":
        masks = Masks.begin(chosen, wanted, density)
        return Masks(chosen, target, masks.model, masks.zeros)
    model, plan = apply_plan(chosen, wanted)
    return Cuts(chosen, target, task, model, dict(plan.keep or {}))
