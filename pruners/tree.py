"""What can be pruned: groups of coupled units, recorded once in the coordinates of the dense model.

A *unit* is what goes or stays as a whole: a channel, a neuron, a head, one weight. A *group* is a
set of units of one kind that are ranked against each other; removing unit ``u`` removes, from every
tensor the group touches, the positions ``cut.indices[u]`` along ``cut.dim``.

Worked example, ``fc1 = Linear(4, 3)`` followed by ``fc2 = Linear(3, 2)``: the group ``fc1`` has
three units. Unit 1 is row 1 of ``fc1.weight``, element 1 of ``fc1.bias`` and column 1 of
``fc2.weight``.

>>> rows = ((0,), (1,), (2,))
>>> group = Group("fc1", "fc1", "neuron", (
...     Cut("fc1.weight", 0, rows), Cut("fc1.bias", 0, rows), Cut("fc2.weight", 1, rows)))
>>> group.width, group.cuts[2].positions([0, 2])
(3, [0, 2])
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from .pattern import parse


@dataclass(frozen=True)
class Cut:
    """Where the units of a group live in one tensor.

    Attributes:
        tensor: dotted name of a parameter or buffer, as in ``named_parameters()``.
        dim: the dimension that shrinks.
        indices: for every unit its positions along ``dim``; disjoint, not empty.
        reads: whether the tensor is the matrix of a linear map and ``dim`` counts its inputs.
    """

    tensor: str
    dim: int
    indices: tuple[tuple[int, ...], ...]
    reads: bool = False

    def positions(self, units: Iterable[int]) -> list[int]:
        """The positions of these units along ``dim``, in the order of the units."""
        return [i for u in units for i in self.indices[u]]


@dataclass(frozen=True)
class Group:
    """Units that are ranked against each other; each is removed from all of ``cuts`` at once.

    Attributes:
        name: of the module that makes the units (the first one where several are tied).
        stage: the part of the model it belongs to.
        kind: ``"channel"``, ``"neuron"``, ``"head"``, ``"hidden"``, ``"embedding"``, ``"weight"``.
        cuts: where the units live; for single weights one cut with ``dim`` -1 and no indices.
        size: number of units when ``cuts`` does not tell (single weights).
        floor: fewest units that may stay.
        step: units that come and go together, beyond ``floor``.
    """

    name: str
    stage: str
    kind: str
    cuts: tuple[Cut, ...]
    size: int = 0
    floor: int = 1
    step: int = 1

    @property
    def width(self) -> int:
        """How many units the dense model has here."""
        return self.size or len(self.cuts[0].indices)

    @cached_property
    def alike(self) -> tuple[int, ...]:
        """For every cut the number of the first one with the same indices."""
        first: dict[tuple[tuple[int, ...], ...], int] = {}
        return tuple(first.setdefault(cut.indices, i) for i, cut in enumerate(self.cuts))


@dataclass(frozen=True)
class TensorCost:
    """Size and work of one parameter in the dense model.

    ``macs`` are the multiply-accumulates of one sample's forward in which its elements take part;
    they shrink in proportion to the elements that stay.
    """

    name: str
    shape: tuple[int, ...]
    macs: int


@dataclass(frozen=True)
class Attribute:
    """An integer of a module that must follow a width: ``value = dense - per_unit * removed``.

    ``position`` addresses one element where the attribute is a tuple or list of integers.
    """

    module: str
    name: str
    position: int | None
    group: str
    per_unit: int


@dataclass(frozen=True)
class Excluded:
    """A layer that keeps its width, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class ModelTree:
    """The hierarchy of one architecture: stages, groups, costs, and what stays out.

    Attributes:
        groups: structured groups, in the order of the forward pass.
        weights: one group of single weights per prunable weight tensor (kind ``"weight"``).
        tensors: cost of every parameter.
        attributes: integers of modules that follow a width.
        excluded: layers that keep their width, with reasons.
        blocks: one group of one unit per residual block that can be left out (kind ``"block"``).
    """

    groups: tuple[Group, ...]
    weights: tuple[Group, ...]
    tensors: tuple[TensorCost, ...]
    attributes: tuple[Attribute, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    blocks: tuple[Group, ...] = ()

    def units(self, granularity: str) -> tuple[Group, ...]:
        """The groups that a granularity decides on: structures, blocks, weights of a pattern.

        Weights that a pattern does not fit are left out.
        """
        pattern = parse(granularity)
        if pattern is None:
            return self.blocks if granularity == "block" else self.groups
        shapes = {t.name: t.shape for t in self.tensors}
        found = []
        for group in self.weights:
            units = pattern.units(shapes[group.cuts[0].tensor])
            if units is not None and units > 1:
                step = pattern.step(units)
                found.append(replace(group, size=units, floor=pattern.floor, step=step))
        return tuple(found)

    def to_json(self) -> dict[str, Any]:
        """As plain data; :meth:`from_json` gives an equal tree back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ModelTree:
        """The tree that :meth:`to_json` wrote."""
        return cls(
            groups=tuple(group_from_json(g) for g in data["groups"]),
            weights=tuple(group_from_json(g) for g in data["weights"]),
            tensors=tuple(
                TensorCost(t["name"], tuple(t["shape"]), t["macs"]) for t in data["tensors"]
            ),
            attributes=tuple(Attribute(**a) for a in data["attributes"]),
            excluded=tuple(Excluded(**e) for e in data["excluded"]),
            blocks=tuple(group_from_json(g) for g in data["blocks"]),
        )


def group_from_json(data: dict[str, Any]) -> Group:
    """One group from plain data."""
    cuts = tuple(
        Cut(c["tensor"], c["dim"], tuple(tuple(unit) for unit in c["indices"]), c["reads"])
        for c in data["cuts"]
    )
    return Group(**{**data, "cuts": cuts})


def kept_positions(
    groups: Iterable[Group], sizes: Mapping[str, tuple[int, ...]], keep: Mapping[str, Iterable[int]]
) -> dict[tuple[str, int], list[int]]:
    """What stays of every tensor dimension that loses something: ``{(tensor, dim): positions}``.

    Args:
        groups: structured groups; those that ``keep`` does not name stay whole.
        sizes: shape of every tensor that the groups touch.
        keep: units that stay, by group name.
    """
    removed: dict[tuple[str, int], set[int]] = {}
    for group in groups:
        if group.name not in keep:
            continue
        gone = sorted(set(range(group.width)).difference(keep[group.name]))
        for cut in group.cuts if gone else ():
            removed.setdefault((cut.tensor, cut.dim), set()).update(cut.positions(gone))
    return {
        (tensor, dim): [i for i in range(sizes[tensor][dim]) if i not in positions]
        for (tensor, dim), positions in removed.items()
    }
