"""Cutting a model by replay: recorded positions, one ``index_select`` per tensor and dimension."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..copies import copy_model
from ..errors import UsageError, unknown
from .masking import faded, survivors_only
from .sizes import update_sizes
from .tree import Attribute, Group, ModelTree

Removed = dict[tuple[str, int], list[int]]
"""Positions to remove by tensor and dimension."""


def cut(
    model: nn.Module, tree: ModelTree, keep: Mapping[str, Sequence[int]], *, share: bool = False
) -> nn.Module:
    """A copy of ``model`` with the units that are not kept removed.

    The copy keeps ``requires_grad``, ties between parameters, buffers and the mode; sizes stored
    in modules follow.

    Args:
        model: the dense model the tree was built for.
        tree: its groups.
        keep: units to keep by group name; groups not named stay whole.
        share: use the parameters of ``model`` itself where nothing goes, instead of copies.

    Raises:
        UsageError: an unknown group, a unit out of range or named twice, no unit at all, or a
            tree of another model.
    """
    removed = removed_positions(model, tree, keep)
    tensors = named_tensors(model)
    changes: dict[str, list[tuple[int, list[int]]]] = defaultdict(list)
    for (name, dim), positions in removed.items():
        changes[name].append((dim, positions))
    stay = Survivors()
    changed = {
        id(tensors[name]): shortened(tensors[name], dims, stay) for name, dims in changes.items()
    }
    small = copied(model, changed, share)
    update_sizes(model, small)
    set_attributes(small, tree, keep)
    return small


def mask(
    model: nn.Module, tree: ModelTree, keep: Mapping[str, Sequence[int]], *, share: bool = False
) -> nn.Module:
    """A copy of the dense shape that computes what :func:`cut` computes.

    The removed units are scaled to almost nothing wherever they are made and used, and
    normalisations over units run over those that stay. For checks, not for speed.

    Args:
        model: as for :func:`cut`.
        tree: as for :func:`cut`.
        keep: as for :func:`cut`.
        share: as for :func:`cut`.

    Raises:
        UsageError: as :func:`cut`.
    """
    removed = removed_positions(model, tree, keep)
    masked = copied(model, faded(named_tensors(model), removed), share)
    survivors_only(masked, cut(model, tree, keep, share=share), removed)
    return masked


def removed_positions(
    model: nn.Module, tree: ModelTree, keep: Mapping[str, Sequence[int]]
) -> Removed:
    """The union of the positions that go, for every tensor and dimension some group touches.

    Where one group cuts several dimensions alike they share one list.
    """
    groups = {g.name: g for g in tree.groups}
    tensors = named_tensors(model)
    union: Removed = {}
    for name, kept in keep.items():
        if name not in groups:
            raise unknown("group", name, groups)
        group, gone = groups[name], gone_units(groups[name], kept)
        same: dict[int, list[int]] = {}
        for first, c in zip(group.alike, group.cuts, strict=True) if gone else ():
            if c.tensor not in tensors or c.dim >= tensors[c.tensor].dim():
                raise UsageError(f"the tree cuts {c.tensor!r}, which this model does not have")
            if first not in same:
                same[first] = c.positions(gone)
            key, earlier = (c.tensor, c.dim), union.get((c.tensor, c.dim))
            union[key] = [*earlier, *same[first]] if earlier else same[first]
    return union


def gone_units(group: Group, kept: Sequence[int]) -> list[int]:
    """The units of a group that are not kept, in order."""
    stay = set(kept)
    if not stay or len(stay) != len(kept) or min(stay) < 0 or max(stay) >= group.width:
        raise UsageError(
            f"units to keep must be at least one of 0..{group.width - 1}, each named once, "
            f"got {list(kept)[:8]} for {group.name!r}"
        )
    return [u for u in range(group.width) if u not in stay]


def named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, each once."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


class Survivors:
    """Positions that stay, shape (kept,), computed once for equal lists of those that go."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Tensor] = {}

    def __call__(self, size: int, gone: list[int], device: torch.device) -> Tensor:
        """The positions below ``size`` that are not in the list ``gone``."""
        key = (size, id(gone))
        if key not in self._known:
            stay = np.ones(size, dtype=bool)
            stay[gone] = False
            self._known[key] = torch.from_numpy(np.flatnonzero(stay)).to(device)
        return self._known[key]


def shortened(
    tensor: Tensor, dims: Sequence[tuple[int, list[int]]], survivors: Survivors
) -> Tensor:
    """The tensor without these positions, a parameter if it was one."""
    data = tensor.detach()
    for dim, positions in dims:
        data = data.index_select(dim, survivors(data.shape[dim], positions, data.device))
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(data, requires_grad=tensor.requires_grad)
    return data


def copied(model: nn.Module, changed: Mapping[int, Tensor], share: bool) -> nn.Module:
    """A deep copy of the model in which the tensors of ``changed`` (by id) are replaced."""
    memo: dict[int, Any] = {id(p): p for p in model.parameters()} if share else {}
    return copy_model(model, memo | dict(changed))


def set_attributes(small: nn.Module, tree: ModelTree, keep: Mapping[str, Sequence[int]]) -> None:
    """Set the integers of modules that follow a width."""
    widths = {g.name: g.width for g in tree.groups}
    for attribute in tree.attributes:
        if attribute.group in keep:
            removed = widths[attribute.group] - len(keep[attribute.group])
            lower(small.get_submodule(attribute.module), attribute, removed)


def lower(module: nn.Module, attribute: Attribute, removed: int) -> None:
    """Take ``removed`` units off one attribute."""
    value, less = getattr(module, attribute.name), attribute.per_unit * removed
    if attribute.position is not None:
        parts = list(value)
        parts[attribute.position] -= less
        setattr(module, attribute.name, type(value)(parts))
    else:
        setattr(module, attribute.name, value - less)
