"""The dense model with units switched off, as the reference for a cut one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase


def zeroed(
    tensors: Mapping[str, Tensor], removed: Mapping[tuple[str, int], Sequence[int]]
) -> dict[int, Tensor]:
    """Copies of tensors with positions set to zero, by the id of the tensor they replace.

    Rows of a parametrised weight stay: a row of zeros has no direction to normalise.
    """
    copies: dict[str, Tensor] = {}
    for (name, dim), positions in removed.items():
        if name not in copies:
            copies[name] = tensors[name].detach().clone()
        if dim == 0 and ("parametrizations" in name or name.endswith(("weight_g", "weight_v"))):
            continue
        copies[name].index_fill_(dim, torch.tensor(positions), 0)
    return {
        id(tensors[name]): nn.Parameter(copy, requires_grad=tensors[name].requires_grad)
        if isinstance(tensors[name], nn.Parameter)
        else copy
        for name, copy in copies.items()
    }


class OverSurvivors(nn.Module):
    """A normalisation of dense shape that sees only the positions that stay.

    Args:
        norm: the cut module.
        size: positions of the dense dimension.
        stay: those that the cut module has.
        last: whether they lie along the last dimension of the input, else along the second.
    """

    def __init__(self, norm: nn.Module, size: int, stay: Tensor, last: bool | None) -> None:
        super().__init__()
        self.norm, self.size, self.stay, self.last = norm, size, stay, last

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Gather, normalise, scatter; removed positions are zero."""
        last = x.shape[-1] == self.size if self.last is None else self.last
        dim = -1 if last else 1
        small: Tensor = self.norm(x.index_select(dim, self.stay), *args, **kwargs)
        result = small.new_zeros(x.shape)
        return result.index_copy(dim, self.stay, small)


def survivors_only(
    masked: nn.Module, small: nn.Module, removed: Mapping[tuple[str, int], Sequence[int]]
) -> None:
    """Wrap every normalisation of ``masked`` that lost units, with its cut twin inside."""
    twins = dict(small.named_modules())
    for path, module in list(masked.named_modules()):
        if is_norm(module):
            for name, tensor in module.named_parameters(recurse=False):
                full = f"{path}.{name}" if path else name
                for dim in range(tensor.dim()):
                    positions = removed.get((full, dim))
                    if positions:
                        wrapped = wrap(twins[path], tensor.shape[dim], positions, module)
                        replace(masked, module, wrapped)


def is_norm(module: nn.Module) -> bool:
    """Whether the module is a normalisation with statistics over its units."""
    return "norm" in type(module).__name__.lower() and not isinstance(module, _NormBase)


def wrap(twin: nn.Module, size: int, positions: Sequence[int], dense: nn.Module) -> OverSurvivors:
    """The cut module made to look dense."""
    stay = torch.ones(size, dtype=torch.bool)
    stay[list(positions)] = False
    last = {nn.LayerNorm: True, nn.RMSNorm: True, nn.GroupNorm: False}.get(type(dense))
    return OverSurvivors(twin, size, stay.nonzero().flatten(), last)


def replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    """Put ``new`` in every place of the model that holds ``old``."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child is old and not isinstance(parent, OverSurvivors):
                setattr(parent, name, new)
